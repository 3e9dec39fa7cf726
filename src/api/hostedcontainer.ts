import { z } from 'zod';
import {
  atomicList,
  cel,
  conditions,
  digest,
  fixedImage,
  imageReference,
  listMap,
  quantity,
  time,
  observedGeneration,
} from './meta.ts';
import { interruption } from './interruption.ts';
import type { KindDefinition, KindObject } from './meta.ts';
import {
  additionalCapabilities,
  baselineCapabilities,
  commandFields,
  env,
  envFrom,
  podPiece,
  ports,
  probe,
  readinessProbe,
  resources,
  stopSignal,
  tolerations,
  user,
  writableList,
} from './kubernetes/podfields.ts';

const allCapabilities = [...baselineCapabilities, ...additionalCapabilities];

const podTemplate = z
  .object({
    metadata: z
      .object({
        labels: z.record(z.string(), z.string().max(63)).optional().describe('Labels besides those of Monoroot.'),
        annotations: z
          .record(z.string(), z.string().max(262144))
          .optional()
          .describe('Annotations besides those of Monoroot.'),
      })
      .optional()
      .describe('Labels and annotations of the Pod.'),
    nodeSelector: z
      .record(z.string(), z.string().max(63))
      .optional()
      .describe('Labels that the node of the Pod must all have.'),
    affinity: podPiece.optional().describe('As in a Pod; joined with the required affinity for the image.'),
    tolerations: tolerations.optional().describe('Taints that do not keep the Pod from a node.'),
    topologySpreadConstraints: z
      .array(podPiece)
      .max(16)
      .meta(atomicList)
      .optional()
      .describe('How Pods of one selection are spread over nodes or zones, as in a Pod.'),
    serviceAccountName: z
      .string()
      .max(253)
      .optional()
      .describe('ServiceAccount that the Pod runs as; default when unset.'),
    automountServiceAccountToken: z
      .boolean()
      .default(false)
      .describe('true: the token of the ServiceAccount is mounted, so that the command can call the API server.'),
    imagePullSecrets: z
      .array(z.object({ name: z.string().min(1).max(253).describe('Name of the Secret.') }))
      .max(16)
      .meta(atomicList)
      .optional()
      .describe('Secrets of the namespace with logins for the registries of the scaffold and of software images.'),
    priorityClassName: z.string().max(253).optional().describe('PriorityClass of the Pod.'),
    runtimeClassName: z.string().max(253).optional().describe('RuntimeClass that the Pod is run with.'),
    hostUsers: z
      .boolean()
      .optional()
      .describe('false: the Pod has a user namespace of its own, in which root is no root of the node.'),
    terminationGracePeriodSeconds: z
      .int()
      .min(0)
      .max(86400)
      .optional()
      .describe('Seconds that the command has to stop before it is killed; 30 by default.'),
    securityContext: z
      .object({
        addCapabilities: z
          .array(
            z
              .string()
              .max(63)
              .regex(/^[A-Z][A-Z0-9_]*$/),
          )
          .max(32)
          .meta({
            ...atomicList,
            ...cel({
              rule: `self.all(c, c in [${allCapabilities.map((name) => `'${name}'`).join(', ')}])`,
              message: `addCapabilities may name those that Pod Security baseline allows (${baselineCapabilities.join(', ')}) and, where the cluster allows it, ${additionalCapabilities.join(', ')}`,
            }),
          })
          .optional()
          .describe('Capabilities besides those that the container has anyway.'),
      })
      .optional()
      .describe('Rights of the container.'),
  })
  .describe('Additional Pod settings. Field names are those of a PodSpec.');

const data = z
  .object({
    claimName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe('An existing PersistentVolumeClaim; never changed or removed.'),
    claimTemplate: podPiece
      .optional()
      .describe(
        'Specification of a PersistentVolumeClaim `<name>-data` that is made for the container, as in a PersistentVolumeClaim.',
      ),
    whenDeleted: z
      .enum(['Retain', 'Delete'])
      .optional()
      .describe(
        'Whether the claim of claimTemplate is kept (Retain, the default) or deleted (Delete) with the HostedContainer. No other claim is ever removed.',
      ),
    ephemeral: z
      .object({ size: quantity.describe('Most that it may hold.') })
      .optional()
      .describe('Disk space that lives as long as the Pod: an upgrade starts with an empty /data.'),
  })
  .meta(
    cel(
      {
        rule: '[has(self.claimName), has(self.claimTemplate), has(self.ephemeral)].filter(x, x).size() == 1',
        message: 'exactly one of claimName, claimTemplate and ephemeral must be set',
      },
      {
        rule: "!has(self.whenDeleted) || self.whenDeleted == 'Retain' || has(self.claimTemplate)",
        message: 'whenDeleted: Delete needs claimTemplate: no other claim is ever deleted',
      },
    ),
  )
  .describe('What is mounted at /data.');

const upgrade = z
  .object({
    onFailure: z
      .enum(['RevertSpec', 'Hold'])
      .default('RevertSpec')
      .describe(
        'RevertSpec: write the last known good image to spec.image; Hold: leave spec alone. Both run the last known good.',
      ),
    progressDeadlineSeconds: z
      .int()
      .min(10)
      .max(86400)
      .default(300)
      .describe(
        'Longest time that the container may run without being Ready. Time in which it cannot run does not count.',
      ),
    minReadySeconds: z
      .int()
      .min(0)
      .max(86400)
      .default(10)
      .describe('How long the container must be Ready to count as good.'),
    maxRestarts: z.int().min(1).max(100).default(3).describe('Exits during an upgrade that count as failure.'),
    retryToken: z.string().max(253).default('').describe('Any change allows a failed version to be tried again.'),
  })
  .prefault({})
  .describe('When an upgrade has succeeded or failed, and what then.');

/** Before this time after its start no container can be Ready. */
const earliestReady = ['startupProbe', 'readinessProbe']
  .map(
    (probe) =>
      `(has(self.${probe}) ? (has(self.${probe}.initialDelaySeconds) ? self.${probe}.initialDelaySeconds : 0) + ((has(self.${probe}.successThreshold) ? self.${probe}.successThreshold : 1) - 1) * (has(self.${probe}.periodSeconds) ? self.${probe}.periodSeconds : 10) : 0)`,
  )
  .join(' + ');

const software = z
  .array(
    z
      .object({
        name: z
          .string()
          .max(50)
          .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
          .describe('It is mounted at /sw/<name>.'),
        image: z
          .string()
          .min(1)
          .max(1024)
          .optional()
          .describe('Reference of an OCI image; the kubelet pulls and mounts it.'),
        osImage: fixedImage.optional().describe('<os>:<version> of an OSImage in the store of the node.'),
      })
      .meta(
        cel({
          rule: 'has(self.image) != has(self.osImage)',
          message: 'exactly one of image and osImage must be set',
        }),
      ),
  )
  .max(16)
  .meta({ ...listMap('name'), description: 'Software below /sw, read-only.' });

const spec = z
  .object({
    image: imageReference.describe('<os>:<version>, or <os> for the default version of that OS.'),
    imagePolicy: z
      .enum(['FallbackToDefault', 'Strict'])
      .default('FallbackToDefault')
      .describe('What a new container does when its image is unknown or not ready: run the default version, or wait.'),
    ...commandFields,
    env: env.optional(),
    envFrom: envFrom.optional(),
    ports: ports.optional(),
    resources: resources.optional(),
    readinessProbe: readinessProbe.optional(),
    livenessProbe: probe.optional(),
    startupProbe: probe.optional(),
    user: user
      .optional()
      .describe(
        'User, and group after a colon, by name or number; names are those of the image. Default: that of the image, else root.',
      ),
    stopSignal: stopSignal
      .optional()
      .describe('Signal that asks the command to stop. Default: that of the image, else SIGTERM.'),
    environment: z
      .enum(['production', 'staging', 'development'])
      .default('production')
      .describe('What kind of environment it is; the mount script and the command see it as MONOROOT_ENVIRONMENT.'),
    timeZone: z
      .string()
      .max(64)
      .regex(/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/)
      .optional()
      .describe('Name of a time zone of the image, such as Australia/Sydney.'),
    writable: writableList.optional().describe('Memory overlays: replace those of the image by path, or add paths.'),
    software: software.optional(),
    mounts: z
      .enum(['HostPath', 'Direct'])
      .optional()
      .describe(
        'How the container gets the directories of its image. HostPath: by volumes of its Pod. Direct (alpha): by the node plugin, on nodes that have it; the Pod needs no hostPath, and nothing is copied. Without it: what the cluster has as its default when the container starts first, and that from then on.',
      ),
    data: data.optional(),
    services: z
      .boolean()
      .default(false)
      .describe("Supervise /data/service/* with the image's own runit or s6, instead of running a command."),
    upgrade,
    restartToken: z.string().max(253).default('').describe('Any change restarts the container.'),
    suspend: z.boolean().default(false).describe('true: the Pod is removed and the data kept.'),
    replicas: z
      .int()
      .min(0)
      .max(1)
      .default(1)
      .describe(
        'What `kubectl scale` writes. 0 means the same as suspend: true; it runs when neither asks for no Pod.',
      ),
    podTemplate: podTemplate.optional(),
  })
  .meta(
    cel(
      {
        rule: '!self.services || (!has(self.command) && !has(self.args))',
        message: 'services runs the supervisor of the image: command and args must not be set',
      },
      {
        rule: '!self.services || !has(self.stopSignal)',
        message: 'services runs the supervisor of the image, which stops them all: stopSignal must not be set',
      },
      { rule: '!self.services || has(self.data)', message: 'services needs data: the services are in /data/service' },
      {
        rule: 'self.upgrade.minReadySeconds < self.upgrade.progressDeadlineSeconds',
        message: 'minReadySeconds must be less than progressDeadlineSeconds, or no version is ever good',
        fieldPath: '.upgrade',
      },
      {
        rule: `${earliestReady} < self.upgrade.progressDeadlineSeconds`,
        message:
          'upgrade.progressDeadlineSeconds must be greater than the initial delays of startupProbe and readinessProbe, or no version is ever good',
      },
    ),
  );

const failedImage = z.object({
  image: fixedImage.describe('The image that failed.'),
  digest: digest.describe('Its bytes.'),
  fingerprint: z.string().max(64).describe('Hash of the digest and of the fields that shape the container.'),
  reason: z.string().max(128).describe('Why it failed, in one word.'),
  message: z.string().max(1024).describe('Why it failed, with the last lines of the log.'),
  time: time.describe('When it failed last.'),
  attempts: z.int().min(1).describe('How often these bytes were tried.'),
  unavailableBefore: z
    .boolean()
    .optional()
    .describe(
      'true: the container was not available before the attempt either, so the failure does not count against the image.',
    ),
});
const historyEntry = z.object({
  image: fixedImage.describe('The image that ran.'),
  digest: digest.optional().describe('Its bytes; unset in entries of earlier versions of the operator.'),
  startTime: time.describe('When it was first tried.'),
  readyTime: time.optional().describe('When its Pod became Ready.'),
  endTime: time.optional().describe('When another image took its place, or it failed.'),
  outcome: z.enum(['Succeeded', 'Failed', 'Reverted', 'Superseded']).optional().describe('Unset while it runs.'),
  message: z.string().max(1024).optional().describe('Why spec.image was not written back.'),
  held: z
    .boolean()
    .optional()
    .describe(
      'true: spec asked for this image again after it failed, and it was not tried. Asking for another image ends that.',
    ),
});

const count = z.int().min(0);
const attempt = z
  .object({
    fingerprint: z.string().max(64).describe('What is tried.'),
    runningSince: time.optional().describe('Since when its container can run; unset while it cannot.'),
    waitingSince: time.optional().describe('Since when its Pod is there and its container cannot run.'),
    elapsedSeconds: count.optional().describe('How long its container could run before runningSince.'),
    readySince: time.optional().describe('Since when its Pod is Ready without a break, by the clock of the operator.'),
    readyTransitionTime: z.string().max(64).optional().describe('What the kubelet says about that, by its clock.'),
    podUID: z.string().max(64).optional().describe('The Pod that podExits counts.'),
    podExits: count.optional().describe('Exits of the container in that Pod.'),
    exits: count.optional().describe('Exits of the container, over all Pods of the attempt.'),
    evictions: count.optional().describe('Evictions because the container used more than it may.'),
    interruption: interruption.optional(),
  })
  .describe('Counters of the image that is being tried, over all of its Pods.');

const status = z.object({
  observedGeneration,
  conditions,
  image: fixedImage.optional().describe('Image that runs now.'),
  digest: digest.optional().describe('Digest of the image that runs now.'),
  targetImage: fixedImage.optional().describe('Image that an upgrade goes to; unset when none is under way.'),
  lastKnownGoodImage: fixedImage
    .optional()
    .describe('What a failed upgrade goes back to: the image that last ran well.'),
  lastKnownGoodDigest: digest
    .optional()
    .describe(
      'Digest of lastKnownGoodImage. An OSImage of the same name with another digest is another image, and starts an attempt.',
    ),
  lastKnownGoodNode: z
    .string()
    .max(253)
    .optional()
    .describe('The node that ran it last: it stays stored there while another image is tried, on whatever node.'),
  firstStartDeadline: time
    .optional()
    .describe('The first start waits until then, at most, for more nodes that are fetching the image.'),
  fallbackImage: fixedImage
    .optional()
    .describe('The default version that it runs instead, because the image of spec is unknown or not stored.'),
  assignedImage: fixedImage.optional().describe('Version of a container that follows the default version of its OS.'),
  assignedTime: time.optional().describe('When a rollout assigned it.'),
  assignedRetryToken: z
    .string()
    .max(253)
    .optional()
    .describe('Retry token of the rollout that assigned it: with another one, what has failed may be tried again.'),
  assignedWhileUnavailable: z
    .boolean()
    .optional()
    .describe(
      'true: the container was not available when a rollout assigned it, so its failure does not count against the image.',
    ),
  assignedBack: z
    .boolean()
    .optional()
    .describe(
      'true: a rollout gave it its earlier version back, because it could not take the new one. It is tried again later.',
    ),
  nodeName: z.string().max(253).optional().describe('Node of the Pod; kept between two Pods.'),
  mounts: z
    .enum(['HostPath', 'Direct'])
    .optional()
    .describe(
      'Direct: it has direct mounts, as spec.mounts says or as was the default of the cluster when it started first.',
    ),
  podIP: z.string().max(64).optional().describe('Address of the Pod.'),
  restarts: z.int().min(0).optional().describe('Restarts of the container in its Pod.'),
  replicas: z.int().min(0).max(1).optional().describe('1 when it has a place on a node, for the scale subresource.'),
  selector: z.string().max(512).optional().describe('Selects its Pod, for the scale subresource.'),
  failedImages: z
    .array(failedImage)
    .max(10)
    .meta(atomicList)
    .optional()
    .describe('Failed attempts, newest first: not tried again until the fingerprint or upgrade.retryToken changes.'),
  attempt: attempt.optional(),
  interruption: interruption.optional().describe('As attempt.interruption, for Pods of the last known good image.'),
  history: z.array(historyEntry).max(10).meta(atomicList).optional().describe('Versions that ran, newest first.'),
});

export type HostedContainerSpec = z.output<typeof spec>;
export type HostedContainerStatus = z.output<typeof status>;
export type FailedImage = z.output<typeof failedImage>;
export type Attempt = z.output<typeof attempt>;
export type HistoryEntry = z.output<typeof historyEntry>;
export type Software = z.output<typeof software>[number];
export type PodTemplate = z.output<typeof podTemplate>;
export type HostedContainer = KindObject<HostedContainerSpec, HostedContainerStatus>;

const conditionColumn = (name: string, type: string, field: 'status' | 'reason', description: string) =>
  ({ name, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].${field}`, description }) as const;

export const hostedContainerDefinition: KindDefinition = {
  kind: 'HostedContainer',
  plural: 'hostedcontainers',
  singular: 'hostedcontainer',
  shortNames: ['hctr'],
  scope: 'Namespaced',
  scale: { replicas: '.spec.replicas', status: '.status.replicas', selector: '.status.selector' },
  description: 'A container whose root is an operating system image that all containers of a node share read-only.',
  spec,
  status,
  rules: [
    {
      rule: 'size(self.metadata.name) <= 63',
      message: 'metadata.name must have at most 63 characters: it becomes the name of the Pod and a label',
    },
  ],
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.status.image', description: 'Running now' },
    { name: 'Target', type: 'string', jsonPath: '.status.targetImage', description: 'Upgrading to' },
    conditionColumn('Ready', 'Ready', 'status', 'The container serves'),
    conditionColumn('Reason', 'Ready', 'reason', 'Why'),
    conditionColumn('Upgraded', 'Upgraded', 'reason', 'State of the upgrade'),
    { name: 'Node', type: 'string', jsonPath: '.status.nodeName', description: 'Node' },
    { name: 'Restarts', type: 'integer', jsonPath: '.status.restarts', description: 'Restarts of the container' },
    { name: 'Asked', type: 'string', jsonPath: '.spec.image', description: 'spec.image', priority: 1 },
    {
      name: 'Last-Good',
      type: 'string',
      jsonPath: '.status.lastKnownGoodImage',
      description: 'Last known good',
      priority: 1,
    },
    { name: 'IP', type: 'string', jsonPath: '.status.podIP', description: 'Address of the Pod', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age' },
  ],
};

import type { HostedContainer } from '../api/hostedcontainer.ts';
import { annotations, apiVersion, labels, mainContainer, mountModes } from '../api/names.ts';
import { mountPlanVariable, treeReference } from '../api/mounts.ts';
import type { MountPlan } from '../api/mounts.ts';
import { mountPlanOf, splitEnvironment } from './direct.ts';
import { isDirect } from './mode.ts';
import { fingerprint, podHash } from './fingerprint.ts';
import { fixedHash } from './in-place.ts';
import { imageName, imageObjectName } from '../api/images.ts';
import type { UsableImage } from './usable-image.ts';
import { affinityFor } from './placement.ts';
import type { Container, EnvVar, Pod, PodSpec, Volume } from '../api/kubernetes/objects.ts';
import { linkEnvironment, linkMounts } from './links.ts';
import { defaultsRoot } from './paths.ts';
import { effectiveWritable, unwritableVolumes, volumesOf } from './volumes.ts';

/** Names of the scaffold images, one a layout. */
export type Scaffolds = Record<'merged' | 'split', string>;

export const containerName = mainContainer;
const launch = ['/.monoroot/busybox', 'sh', '/.monoroot/launch'];

/**
 * What `launch` needs to fill the overlays and to change user, and what services that start as root and give up their
 * rights need to signal their workers and to listen below 1024. Never SYS_ADMIN: the root is shared.
 */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETUID',
];

/**
 * The command that the container runs: its own, else that of the image. As in a Pod, a command of its own drops default
 * args, and an empty list is as good as none.
 */
export function effectiveCommand(container: HostedContainer, image: UsableImage): string[] {
  if (container.spec.services) return [];
  const { command, args } = container.spec;
  if (command?.length) return [...command, ...(args ?? [])];
  return [...(image.defaults.command ?? []), ...(args?.length ? args : (image.defaults.args ?? []))];
}

/**
 * The one Pod of a HostedContainer on an image. Pure: the same input gives the same Pod. `nonce`: another one for each Pod, by
 * which its node can be labelled for it alone.
 */
export function buildPod(container: HostedContainer, image: UsableImage, scaffolds: Scaffolds, nonce?: string): Pod {
  const { metadata, spec } = container;
  const template = spec.podTemplate;
  const { volumes, mounts } = volumesOf(container, image);
  const { main, plan } = mainOf(container, image, scaffolds);
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: metadata.name,
      ...(metadata.namespace && { namespace: metadata.namespace }),
      labels: {
        ...withoutName(template?.metadata?.labels, labels.mounts),
        [labels.hostedContainer]: metadata.name,
        [labels.image]: imageObjectName(image),
        [labels.managedBy]: 'monoroot',
        ...(plan && { [labels.mounts]: mountModes.direct }),
      },
      annotations: {
        ...safeToEvict(volumes),
        ...withoutName(template?.metadata?.annotations, annotations.mounts),
        [annotations.image]: imageName(image),
        [annotations.digest]: image.digest,
        [annotations.fingerprint]: fingerprint(container, image),
        [annotations.podHash]: podHash(container, image),
        ...(plan && { [annotations.mounts]: JSON.stringify(plan) }),
      },
      ownerReferences: [
        {
          apiVersion,
          kind: 'HostedContainer',
          name: metadata.name,
          uid: metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      ...scheduling(container),
      affinity: affinityFor(container, image, nonce),
      restartPolicy: 'Always',
      enableServiceLinks: false,
      automountServiceAccountToken: template?.automountServiceAccountToken ?? false,
      containers: [{ ...main, volumeMounts: mounts }],
      volumes,
    },
  };
  return plan ? withFixedHash(container, pod) : pod;
}

function withFixedHash(container: HostedContainer, pod: Pod): Pod {
  const { metadata } = pod;
  const marks = { ...metadata.annotations, [annotations.fixedHash]: fixedHash(container, pod) };
  return { ...pod, metadata: { ...metadata, annotations: marks } };
}

/** What only the operator says of mounts: the node plugin and the agent believe it. */
function withoutName(from: Readonly<Record<string, string>> = {}, name: string): Record<string, string> {
  const { [name]: _ours, ...rest } = from;
  return rest;
}

/**
 * The cluster autoscaler removes no node with a Pod that has local volumes, unless it is informed that they may go: those of the
 * store are on each node that has the image. Ephemeral data is not named: it is for the user to say that it may go.
 */
function safeToEvict(volumes: readonly Volume[]): Record<string, string> {
  const ofStore = volumes.filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  return { 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': ofStore.join(',') };
}

function scheduling(container: HostedContainer): Partial<PodSpec> {
  const template = container.spec.podTemplate ?? { automountServiceAccountToken: false };
  const { metadata: _m, affinity: _a, securityContext: _s, automountServiceAccountToken: _t, ...handedOn } = template;
  return { topologySpreadConstraints: usualSpread, ...defined(handedOn) };
}

/**
 * As the scheduler does for the Pods of a Deployment, but not for those of an owner that it does not know. Containers that are
 * made together come to the nodes evenly; it keeps none from a node. A list in `podTemplate`, also an empty one, replaces it.
 */
const usualSpread = [
  {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchExpressions: [{ key: labels.hostedContainer, operator: 'Exists' }] },
  },
];

type Main = Omit<Container, 'volumeMounts'>;

/** With direct mounts all that the image says is in the plan, so that a Pod that runs can get another image. */
function mainOf(
  container: HostedContainer,
  image: UsableImage,
  scaffolds: Scaffolds,
): { main: Main; plan?: MountPlan } {
  const scaffold = scaffolds[image.layout.kind];
  const env = environment(container, image);
  if (!isDirect(container))
    return { main: baseContainer(container, { image: scaffold, args: effectiveCommand(container, image), env }) };
  const { ofPod, ofPlan } = splitEnvironment(container, env);
  const { command = [], args = [], services } = container.spec;
  const own = { args: services ? [] : [...command, ...args], env: ofPod };
  return {
    main: baseContainer(container, { image: treeReference(scaffold, image) ?? scaffold, ...own }),
    plan: mountPlanOf(container, image, ofPlan),
  };
}

function baseContainer({ spec }: HostedContainer, of: { image: string; args: string[]; env: EnvVar[] }): Main {
  return {
    name: containerName,
    image: of.image,
    imagePullPolicy: 'IfNotPresent',
    command: launch,
    args: of.args,
    env: of.env,
    // A service that dies without a word is reported by the end of its log.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
      capabilities: {
        drop: ['ALL'],
        add: [...new Set([...capabilities, ...(spec.podTemplate?.securityContext?.addCapabilities ?? [])])],
      },
    },
    ...defined({
      envFrom: spec.envFrom,
      ports: spec.ports,
      resources: spec.resources,
      readinessProbe: spec.readinessProbe,
      livenessProbe: spec.livenessProbe,
      startupProbe: spec.startupProbe,
    }),
  };
}

/** The node plugin and `launch` go by these. */
const ofPlugin = [mountPlanVariable, 'MONOROOT_DIRECT', 'MONOROOT_OVERLAYS'];

function environment(container: HostedContainer, image: UsableImage): EnvVar[] {
  const { metadata, spec } = container;
  const byName = new Map<string, EnvVar>();
  const writable = effectiveWritable(container, image);
  for (const variable of [...(image.defaults.env ?? []), ...(spec.env ?? [])]) byName.set(variable.name, variable);
  const ours = {
    MONOROOT_NAME: metadata.name,
    MONOROOT_NAMESPACE: metadata.namespace ?? '',
    MONOROOT_OS: image.os,
    MONOROOT_VERSION: image.version,
    MONOROOT_ENVIRONMENT: spec.environment,
    MONOROOT_DEFAULTS: defaultsRoot,
    MONOROOT_WRITABLE: writable.map((w) => w.path).join(':'),
    ...linkEnvironment(linkMounts(image.layout, writable)),
    MONOROOT_USER: spec.user ?? image.defaults.user ?? '',
    MONOROOT_STOP_SIGNAL: stopSignal(container, image),
    MONOROOT_VOLUMES: unwritableVolumes(image, writable).join(':'),
    MONOROOT_WORKDIR: spec.workingDir ?? image.defaults.workingDir ?? '',
    MONOROOT_SERVICES: spec.services ? 'true' : '',
    TZ: spec.timeZone ?? '',
    // Only what is asked for is checked and set up: a TZ of the image is handed on as any other variable.
    MONOROOT_TIME_ZONE: spec.timeZone ?? '',
  };
  for (const name of ofPlugin) byName.delete(name);
  for (const [name, value] of Object.entries(ours)) if (value !== '') byName.set(name, { name, value });
  return [...byName.values()];
}

/** Nothing for SIGTERM, which the kubelet sends, and for services, whose supervisor knows how each of them stops. */
function stopSignal({ spec }: HostedContainer, { defaults }: UsableImage): string {
  const signal = spec.services ? undefined : (spec.stopSignal ?? defaults.stopSignal);
  return signal === undefined || signal === 'SIGTERM' ? '' : signal.slice('SIG'.length);
}

/** The object without its undefined members: an absent field and an undefined one are different things in a manifest. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

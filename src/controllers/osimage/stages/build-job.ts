import { createHash } from 'node:crypto';
import type { Build } from '../../../api/build.ts';
import {
  buildCapabilities,
  recipeDirectory,
  recipeFile,
  sandboxCapabilities,
  sandboxDirectory,
  sandboxMountPath,
  sandboxScript,
  secretNames,
  secretsDirectory,
  workDirectory,
} from '../../../api/buildrun.ts';
import type { Recipe } from '../../../api/buildrun.ts';
import { apiVersion, labels } from '../../../api/names.ts';
import type { OSImage } from '../../../api/osimage.ts';
import type {
  ConfigMap,
  Container,
  Job,
  OwnerReference,
  Sidecar,
  Volume,
  VolumeMount,
} from '../../../api/kubernetes/objects.ts';
import type { JobSettings } from '../observed.ts';

/** The Jobs that build and publish an image, and what they read. Pure: the same input gives the same objects. */

export type StageName = 'build' | 'verify' | 'publish';

/** Who publishes. */
const nobody = 65532;

/** The image must be pulled and a node be found; that is no time of the build. */
const startSeconds = 600;
const publishSeconds = 1800;
/** For the tree, its layer and what it is made of. `resources.limits.ephemeral-storage` of the build says otherwise. */
const buildStorage = '20Gi';
const publishStorage = '1Gi';

/** Longest name of which Kubernetes makes a label. */
const longestName = 63;

/**
 * `build-debian-12.v36`; with a token a hash of it at the end, so that another try is another object. What is too long is cut
 * and told apart by a hash.
 */
export function stageObjectName(stage: StageName, image: { os: string; version: string }, token = ''): string {
  const plain = `${stage}-${image.os}.${image.version}`;
  const name = token === '' ? plain : `${plain}-${hash(token)}`;
  if (name.length <= longestName) return name;
  return `${plain.slice(0, longestName - 9).replace(/[.-]+$/, '')}-${hash(name)}`;
}

/** Eight hex digits. */
const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Labels by which objects of a step are found. */
export const stageLabels = (stage: StageName, image: OSImage): Record<string, string> => ({
  [labels.managedBy]: 'monoroot',
  [labels.image]: image.metadata.name,
  [labels.step]: stage,
});

/** All that is made for an image goes with it. */
export const ownedBy = (image: OSImage): OwnerReference => ({
  apiVersion,
  kind: 'OSImage',
  name: image.metadata.name,
  uid: image.metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
});

/** What the Jobs should do, as they read it; the same for all tries, as spec never changes. */
export function recipeConfigMap(image: OSImage, build: Build, { namespace }: JobSettings): ConfigMap {
  const { os, version, architecture, mountScript, defaults } = image.spec;
  const recipe: Recipe = {
    os,
    version,
    architecture,
    ...(mountScript !== undefined && { mountScript }),
    ...(defaults && { defaults }),
    build,
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: recipeName(image),
      namespace,
      labels: stageLabels('build', image),
      ownerReferences: [ownedBy(image)],
    },
    immutable: true,
    data: { [recipeFile]: JSON.stringify(recipe) },
  };
}

/** Another image of the same name, made after this one was deleted, has another recipe. */
const recipeName = (image: OSImage): string => `recipe-${image.metadata.name}-${hash(image.metadata.uid ?? '')}`;

/** Builds the image and pushes it to testing/. */
export function buildJob(image: OSImage, build: Build, settings: JobSettings, name: string): Job {
  const storage = build.resources?.limits?.['ephemeral-storage'] ?? buildStorage;
  return jobOf(image, settings, name, {
    stage: 'build',
    args: ['build'],
    seconds: build.timeoutSeconds,
    storage: String(storage),
    secrets: secretsOf(build, ['push', 'ca', 'base', 'baseCA', 'keyring']),
    resources: build.resources ?? { requests: { cpu: '250m', memory: '256Mi' } },
    nodeSelector: build.nodeSelector ?? {},
    user: 0,
    capabilities: buildCapabilities,
    sandbox: true,
  });
}

/** Copies the image from testing/ to production/ by its digest, and signs it. */
export function publishJob(image: OSImage, build: Build, settings: JobSettings, name: string, digest: string): Job {
  return jobOf(image, settings, name, {
    stage: 'publish',
    args: ['publish', digest],
    seconds: publishSeconds,
    storage: publishStorage,
    secrets: secretsOf(build, ['push', 'ca', 'sign']),
    resources: { requests: { cpu: '50m', memory: '64Mi' } },
    nodeSelector: build.nodeSelector ?? {},
    user: nobody,
    capabilities: [],
    sandbox: false,
  });
}

type SecretUse = keyof typeof secretNames;
interface MountedSecret {
  directory: string;
  secretName: string;
}

/** The Secrets that the recipe names for these uses. */
function secretsOf(build: Build, uses: readonly SecretUse[]): MountedSecret[] {
  const { debootstrap, oci, http } = build.from;
  const references: Record<SecretUse, { name: string } | undefined> = {
    push: build.pushSecretRef,
    ca: build.caRef,
    sign: build.signKeyRef,
    base: oci?.pullSecretRef ?? http?.secretRef,
    baseCA: (oci ?? http)?.caRef,
    keyring: debootstrap?.keyringRef,
  };
  return uses.flatMap((use) => {
    const reference = references[use];
    return reference ? { directory: secretNames[use], secretName: reference.name } : [];
  });
}

interface Work {
  stage: StageName;
  args: string[];
  seconds: number;
  storage: string;
  secrets: readonly MountedSecret[];
  resources: object;
  nodeSelector: Record<string, string>;
  user: number;
  capabilities: readonly string[];
  /** It runs programs of the tree. */
  sandbox: boolean;
}

function jobOf(image: OSImage, settings: JobSettings, name: string, work: Work): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: settings.namespace,
      labels: stageLabels(work.stage, image),
      ownerReferences: [ownedBy(image)],
    },
    spec: {
      // Trying again is for a person to ask for: a recipe that fails fails again.
      backoffLimit: 0,
      // The limit of the Pod is the one that counts. That of a Job deletes the Pod, and its log with it.
      activeDeadlineSeconds: work.seconds + startSeconds,
      // A node that is drained is no failure of the recipe.
      podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
      template: {
        metadata: { labels: stageLabels(work.stage, image) },
        spec: {
          restartPolicy: 'Never',
          activeDeadlineSeconds: work.seconds,
          terminationGracePeriodSeconds: 10,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          nodeSelector: { ...work.nodeSelector, 'kubernetes.io/arch': image.spec.architecture },
          affinity: {},
          securityContext: {
            runAsUser: work.user,
            runAsGroup: work.user,
            ...(work.user !== 0 && { runAsNonRoot: true, fsGroup: work.user }),
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(work.sandbox && { initContainers: [sandboxOf(settings.scaffolds.split, work)] }),
          containers: [containerOf(settings.builderImage, work)],
          volumes: volumesOf(image, work),
        },
      },
    },
  };
}

function containerOf(image: string, work: Work): Container {
  const mounts: VolumeMount[] = [
    { name: 'recipe', mountPath: recipeDirectory, readOnly: true },
    { name: 'work', mountPath: workDirectory },
    { name: 'tmp', mountPath: '/tmp' },
    ...(work.sandbox ? [{ name: 'sandbox', mountPath: sandboxDirectory }] : []),
    ...work.secrets.map(({ directory }) => ({
      name: `secret-${directory}`,
      mountPath: `${secretsDirectory}/${directory}`,
      readOnly: true,
    })),
  ];
  return {
    name: work.stage,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/opt/monoroot/builder.js'],
    args: work.args,
    // Whoever it is has no home of its own, and tools want to write there.
    env: [
      { name: 'HOME', value: '/tmp' },
      ...(work.sandbox ? [{ name: 'SANDBOX_DIRECTORY', value: sandboxDirectory }] : []),
    ],
    // It answers in a file. When it dies before that, the end of its log is the answer.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: work.resources,
    volumeMounts: mounts,
    securityContext: {
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], ...(work.capabilities.length > 0 && { add: [...work.capabilities] }) },
    },
  };
}

/**
 * Where programs of the tree run: its root becomes the tree, so the container runtime has mounted a /proc there. It has no Secrets. What the
 * recipe grants is for both containers, and is asked for once.
 */
function sandboxOf(image: string, { resources, storage }: Work): Sidecar {
  const { limits = {} } = resources as { limits?: Record<string, unknown> };
  const bounded = { ...limits, 'ephemeral-storage': storage };
  return {
    name: 'sandbox',
    image,
    imagePullPolicy: 'IfNotPresent',
    // It runs beside the builder and ends with it.
    restartPolicy: 'Always',
    command: ['/.monoroot/busybox', 'sh', '-c', sandboxScript],
    resources: { limits: bounded, requests: Object.fromEntries(Object.keys(bounded).map((name) => [name, '0'])) },
    volumeMounts: [{ name: 'sandbox', mountPath: sandboxMountPath, readOnly: true }],
    securityContext: {
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: false,
      capabilities: { drop: ['ALL'], add: [...sandboxCapabilities] },
    },
  };
}

function volumesOf(image: OSImage, work: Work): Volume[] {
  return [
    { name: 'recipe', configMap: { name: recipeName(image) } },
    { name: 'work', emptyDir: { sizeLimit: work.storage } },
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ...(work.sandbox ? [{ name: 'sandbox', emptyDir: { sizeLimit: '1Mi' } }] : []),
    // A Secret that is not there keeps no Pod waiting: the builder says which one it misses.
    ...work.secrets.map(({ directory, secretName }) => ({
      name: `secret-${directory}`,
      secret: { secretName, optional: true, defaultMode: 0o440 },
    })),
  ];
}

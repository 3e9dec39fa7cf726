/** Every name that users, manifests or other programs may rely on. One place, so that grep finds it. */
export const group = 'monoroot.dev';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

/** Prefix of the node label that says "this node has all of this image": `image.monoroot.dev/<os>.<version>`. */
export const imageLabelPrefix = `image.${group}/`;

/**
 * Prefix of the node label by which one running Pod meets its own requirements after the label of its image has gone:
 * `running.monoroot.dev/<uid of the HostedContainer>`. Its value is another one for each Pod.
 */
export const runningLabelPrefix = `running.${group}/`;

export const labels = {
  /** On a Pod: the name of its HostedContainer. */
  hostedContainer: `${group}/hosted-container`,
  /** On a Pod: `<os>.<version>` of the image that it runs. */
  image: `${group}/image`,
  /** On Jobs and Pods that make or test an image: `build`, `verify` or `publish`. */
  step: `${group}/step`,
  /** On a Secret in the namespace of the operator: `true` when gates of rollouts may use it. */
  gate: `${group}/gate`,
  managedBy: 'app.kubernetes.io/managed-by',
  /** On a Pod: `Direct` when the node plugin gives its container the mounts. No one but the operator may make such a Pod. */
  mounts: `${group}/mounts`,
  /** On a Node: `true` while its node plugin gives containers their mounts. */
  directMounts: `${group}/direct-mounts`,
} as const;

/** The container of a Pod that runs the image. */
export const mainContainer = 'main';

/** How a container gets the directories of its image: from the kubelet, or from the node plugin. */
export const mountModes = { hostPath: 'HostPath', direct: 'Direct' } as const;

export const annotations = {
  /** On a Pod: what failed-before is decided by, see `fingerprint` in src/pod. */
  fingerprint: `${group}/fingerprint`,
  /** On a Pod: hash of everything that shapes the Pod; another value means that it must be replaced. */
  podHash: `${group}/pod-hash`,
  /** On a Pod: `<os>:<version>` of the image that it runs. */
  image: `${group}/image`,
  /** On a Pod: digest of the image that it runs. */
  digest: `${group}/digest`,
  /** On a Pod with direct mounts: what the node plugin mounts, see src/api/mounts.ts. */
  mounts: `${group}/mounts`,
  /** On a Pod that was patched in place: what `mounts` said before, for the container that runs until it is restarted. */
  mountsBefore: `${group}/mounts-before`,
  /** On a Pod that was patched in place: which container ran at that moment, see src/api/patched.ts. */
  patched: `${group}/patched`,
  /** On a Pod with direct mounts: hash of all that no patch can change; another value means that it must be replaced. */
  fixedHash: `${group}/fixed-hash`,
  /** On an OSImage: any change lets a build, a verification or a publication that failed be tried again. */
  retry: `${group}/retry`,
  /** On an OSImage, written by a rollout that halted: the evidence. No further container gets the image while it is there. */
  condemned: `${group}/condemned`,
  /** On a HostedContainer that `kubectl monoroot rehearse` made for a while: the name of the one that it rehearses. */
  rehearsal: `${group}/rehearsal`,
} as const;

export const finalizers = {
  /** On a HostedContainer with `data.whenDeleted: Delete`: its claim is seen to before it is gone. */
  data: `${group}/data`,
} as const;

/** One field manager per writer; each always sends every field that it owns. */
export const fieldManagers = {
  operator: 'monoroot',
  /** Writes `spec.image` of a HostedContainer when an upgrade is reverted, and nothing else. */
  revert: 'monoroot-revert',
  /** Writes `status.assignedImage`, `assignedTime` and `assignedRetryToken` of HostedContainers that a rollout moves. */
  rollout: 'monoroot-rollout',
  /** Writes the annotation `condemned` of an OSImage, once. */
  condemn: 'monoroot-condemn',
  /** Writes the finalizer of HostedContainers whose data goes with them. */
  data: 'monoroot-data',
  nodeLabels: 'monoroot-node-labels',
  agent: 'monoroot-agent',
  /** Writes what a person changes with `kubectl monoroot`. */
  plugin: 'kubectl-monoroot',
} as const;

/** Host directory of the master store, and where complete trees appear in it. */
export const hostRoot = '/var/lib/monoroot';
export const storeRoot = `${hostRoot}/store`;

export const systemNamespace = 'monoroot-system';
/** Where images are tested: programs of a stranger, so no Secret is there but the login for the scaffold. */
export const verificationNamespace = 'monoroot-verification';
/** Where the Secrets are that nodes fetch images with: agents can read no others. */
export const sourcesNamespace = 'monoroot-sources';

import { configMaps, jobs } from '../../../src/kube/resources.ts';
import type { Client } from '../../../src/kube/client.ts';
import { nodeStores } from '../../../src/kube/kinds.ts';
import { nodes, persistentVolumes, pods, secrets } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';

/** What somebody could try against the master store, with the rights that he may have. Nothing is ever stored: all are dry runs. */

/** Whose rights it is tried with: those of who runs this, or of a service account of Monoroot. */
export type Attacker = 'admin' | 'monoroot-operator' | 'monoroot-agent';

export interface Attack {
  name: string;
  by: Attacker;
  /** The policy that must refuse it, or words of a refusal by RBAC; unset: it must be allowed. */
  refusedBy?: string;
  attempt: (client: Client) => Promise<unknown>;
}

export interface Target {
  /** Of some tenant. */
  namespace: string;
  /** Of Monoroot. */
  system: string;
  verification: string;
  /** Of the Secrets of image sources. */
  sources: string;
  /** A node that there is. */
  node: string;
  /** A Pod that there is, and is not of Monoroot. */
  pod?: { namespace: string; name: string };
}

const image = '/var/lib/monoroot/store/debian-12/v35';
const root = `${image}/root`;
const usr = `${root}/usr`;
const name = 'monoroot-attack';

const create = (resource: unknown, object: object) => (client: Client) =>
  client.create(resource as Resource<KubeObject>, object as KubeObject, { dryRun: true });

interface Shape {
  path?: string;
  type?: string | undefined;
  mount?: object;
  extra?: object;
  container?: object;
}
const podIn = (
  namespace: string,
  { path = usr, type = 'Directory', mount = {}, extra = {}, container = {} }: Shape,
) => {
  const volumeMounts = [{ name: 'v', mountPath: '/v', readOnly: true, ...mount }];
  return {
    metadata: { name, namespace },
    spec: {
      containers: [{ name: 'c', image: 'x', volumeMounts, ...container }],
      volumes: [{ name: 'v', hostPath: { path, ...(type !== '' && { type }) } }],
      ...extra,
    },
  };
};

/** Nothing but who makes it and where is wrong with it. */
const meekPodIn = (namespace: string) => ({
  metadata: { name, namespace },
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'c',
        image: 'x',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});

/** Every name of the store that a Pod must not mount. */
const inside = ['', '/', '/store', '/staging', '/store/debian-12', '/store/debian-12/v35/image.json'].map(
  (it) => `/var/lib/monoroot${it}`,
);
const odd = ['//var/lib/monoroot/store', '/var/./lib/././monoroot/store', `${usr}/bin`, `${root}/.`];
const elsewhere = ['/mnt/stateful_partition/var/lib/monoroot/store', '/local/var/lib/monoroot'];
/** Every directory through which the store can be reached. */
const above = [
  '/',
  '/var',
  '/var/lib/',
  '//var//lib',
  '/proc/1/root',
  '/proc/self/cwd/var',
  '/proc/1/cwd',
  '/dev/fd/7',
];

function onStore({ namespace }: Target): Attack[] {
  const attack = (what: string, shape: Shape): Attack => ({
    name: `a Pod mounts ${what}`,
    by: 'admin',
    refusedBy: 'monoroot-store-read-only',
    attempt: create(pods, podIn(namespace, shape)),
  });
  return [
    { name: 'a Pod mounts an image as ours do', by: 'admin', attempt: create(pods, podIn(namespace, {})) },
    attack('an image writable', { mount: { readOnly: false } }),
    attack('an image with subPath', { mount: { subPath: 'bin' } }),
    attack('an image with subPathExpr', { mount: { subPathExpr: 'bin' } }),
    attack('an image with propagation', { mount: { mountPropagation: 'HostToContainer' } }),
    attack('an image that is made when it is missing', { type: 'DirectoryOrCreate' }),
    attack('an image without a type', { type: '' }),
    attack('the store with the account of the agent', {
      mount: { readOnly: false },
      extra: { serviceAccountName: 'monoroot-agent' },
    }),
    ...[...inside, ...odd, ...elsewhere].map((path) => attack(path, { path })),
    ...above.map((path) => attack(`${path} writable`, { path, type: '', mount: { readOnly: false } })),
    ...above.map((path) => attack(`${path} with a readOnly of the top mount alone`, { path, type: '' })),
    attack('/var with subPath', { path: '/var', mount: { subPath: 'lib/monoroot' } }),
  ];
}

function byVolume(): Attack[] {
  const capacity = { storage: '1Gi' };
  const onNode = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n'] }] };
  const common = {
    capacity,
    accessModes: ['ReadWriteOnce'],
    nodeAffinity: { required: { nodeSelectorTerms: [onNode] } },
  };
  return ['/', '/var', '/var/lib', '/var/lib/monoroot', usr, '/proc/1/root', ...elsewhere].flatMap((path) =>
    [{ hostPath: { path } }, { local: { path } }].map((source) => ({
      name: `a PersistentVolume (${Object.keys(source).join()}) is on ${path}`,
      by: 'admin' as const,
      refusedBy: 'monoroot-store-no-volumes',
      attempt: create(persistentVolumes, { metadata: { name }, spec: { ...common, ...source } }),
    })),
  );
}

const capability = (add: string) => ({ securityContext: { capabilities: { add: [add] } } });

/** A stolen token of the operator. */
function byOperator({ namespace, system, sources, node, pod }: Target): Attack[] {
  const attack = (what: string, refusedBy: string, attempt: Attack['attempt']): Attack => ({
    name: `the operator ${what}`,
    by: 'monoroot-operator',
    refusedBy,
    attempt,
  });
  const shapes: [string, Shape][] = [
    ['with hostPID', { extra: { hostPID: true } }],
    ['with hostNetwork', { extra: { hostNetwork: true } }],
    ['that is privileged', { container: { securityContext: { privileged: true } } }],
    ['with SYS_ADMIN', { container: capability('SYS_ADMIN') }],
    ['with DAC_READ_SEARCH', { container: capability('DAC_READ_SEARCH') }],
    ['with a directory of the node', { path: '/srv' }],
  ];
  const patchNode = (patch: object) => (client: Client) =>
    client.mergePatch(nodes, { name: node }, patch, { dryRun: true });
  return [
    ...shapes.flatMap(([what, shape]) => {
      const { spec } = podIn(system, shape);
      const job = {
        metadata: { name, namespace: system },
        spec: { template: { spec: { ...spec, restartPolicy: 'Never' } } },
      };
      return [
        attack(`makes a Pod ${what}`, 'monoroot-tenant-pods', create(pods, podIn(namespace, shape))),
        attack(`makes a Job ${what}`, 'monoroot-tenant-pods', create(jobs, job)),
      ];
    }),
    attack(
      'makes a Pod with the account of the agent',
      'monoroot-tenant-pods',
      create(pods, podIn(system, { extra: { serviceAccountName: 'monoroot-agent' } })),
    ),
    ...['kube-system', system, sources].map((it) =>
      attack(`makes a Pod in ${it}`, 'monoroot-tenant-pods', create(pods, meekPodIn(it))),
    ),
    ...(pod
      ? [
          attack('deletes a Pod that is not its own', 'monoroot-operator-objects', (client) =>
            client.delete(pods, pod, { dryRun: true }),
          ),
        ]
      : []),
    ...['monoroot-signatures', 'monoroot-registries'].map((it) =>
      attack(
        `writes the settings ${it} of agents`,
        'monoroot-operator-objects',
        create(configMaps, { metadata: { name: it, namespace: system }, data: {} }),
      ),
    ),
    attack('reads a Secret of image sources', forbidden, reading(sources)),
    attack('reads a Secret of a tenant', forbidden, reading(namespace)),
    attack('gives a Node a label', 'monoroot-operator-fields', patchNode({ metadata: { labels: { attack: 'a' } } })),
    attack('cordons a Node', 'monoroot-operator-fields', patchNode({ spec: { podCIDR: null, unschedulable: true } })),
    attack('annotates a Node', 'monoroot-operator-fields', patchNode({ metadata: { annotations: { attack: 'a' } } })),
  ];
}

const forbidden = 'is forbidden: User';
const reading = (namespace: string) => (client: Client) => client.get(secrets, { name, namespace });

/** A stolen token of an agent, away from its node. */
function byAgent({ namespace, system, sources, verification, node }: Target): Attack[] {
  const attack = (what: string, refusedBy: string, attempt: Attack['attempt']): Attack => ({
    name: `an agent ${what}`,
    by: 'monoroot-agent',
    refusedBy,
    attempt,
  });
  const status = { images: [] };
  return [
    { name: 'an agent reads a Secret of image sources', by: 'monoroot-agent', attempt: reading(sources) },
    ...[system, verification, namespace, 'kube-system'].map((it) =>
      attack(`reads a Secret in ${it}`, forbidden, reading(it)),
    ),
    attack('lists the Secrets of image sources', forbidden, (client) => client.list(secrets, { namespace: sources })),
    attack('writes the NodeStore of a node that is not its own', 'monoroot-agent-own-node', (client) =>
      client.mergePatch(nodeStores, { name: node }, { status }, { subresource: 'status', dryRun: true }),
    ),
    attack('says what a node stores', forbidden, (client) =>
      client.mergePatch(nodeStores, { name: node }, { spec: { images: [] } }, { dryRun: true }),
    ),
    attack('makes a Pod', forbidden, create(pods, podIn(system, {}))),
    attack('labels a Node', forbidden, (client) =>
      client.mergePatch(nodes, { name: node }, { metadata: { labels: { attack: 'a' } } }, { dryRun: true }),
    ),
  ];
}

export const attacksOn = (target: Target): Attack[] => [
  ...onStore(target),
  ...byVolume(),
  ...byOperator(target),
  ...byAgent(target),
  {
    name: 'a key to sign with is put where agents read Secrets',
    by: 'admin',
    refusedBy: 'monoroot-sources-no-keys',
    attempt: create(secrets, { metadata: { name, namespace: target.sources }, stringData: { 'cosign.key': 'x' } }),
  },
  {
    name: 'a Secret is put where images are tested',
    by: 'admin',
    refusedBy: 'monoroot-verification-no-secrets',
    attempt: create(secrets, { metadata: { name, namespace: target.verification }, stringData: { key: 'x' } }),
  },
];

/** What became of it: undefined when it is as it should be, else what is wrong. */
export async function tryAttack(attack: Attack, client: Client): Promise<string | undefined> {
  const answer = await attack.attempt(client).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const { refusedBy } = attack;
  if (refusedBy === undefined) return answer === undefined ? undefined : `it was refused: ${answer}`;
  if (answer === undefined) return `it was allowed; ${refusedBy} must refuse it`;
  // Where Kubernetes looks for the account first, there is none of this name in another namespace.
  const isRefused = answer.includes(refusedBy) || /error looking up service account .* not found/.test(answer);
  return isRefused ? undefined : `it was refused by another: ${answer}`;
}

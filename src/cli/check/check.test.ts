import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { container, distribution, osImage } from '../../../test/fixtures/builders.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Lease } from '../../kube/types.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import { definitionNames, policyNames } from './facts.ts';
import type { ClusterFacts, LimitRange, ResourceQuota } from './facts.ts';
import { check, isAtLeast, rules } from './rules.ts';

const now = new Date('2026-01-01T12:00:00Z');
const node = (name: string, changes: object = {}) =>
  ({
    metadata: { name },
    status: { nodeInfo: { kernelVersion: '6.12.0', containerRuntimeVersion: 'containerd://2.1.4', ...changes } },
  }) as unknown as Node;
const pod = (nodeName: string, changes: { ready?: string; image?: string } = {}) =>
  ({
    metadata: { name: `pod-${nodeName}` },
    spec: { nodeName, containers: [{ name: 'c', image: changes.image ?? 'monoroot:1' }] },
    status: { conditions: [{ type: 'Ready', status: changes.ready ?? 'True' }] },
  }) as unknown as Pod;
const lease = (spec: object) => ({ metadata: { name: 'monoroot-operator' }, spec }) as unknown as Lease;

const healthy: ClusterFacts = {
  kubernetes: 'v1.37.2',
  nodes: { found: [node('n1'), node('n2')] },
  definitions: { found: definitionNames },
  policies: { found: { there: [...policyNames], bound: [...policyNames] } },
  operators: { found: [pod('n1'), pod('n2')] },
  agents: { found: [pod('n1'), pod('n2')] },
  lease: { found: lease({ holderIdentity: 'one', renewTime: '2026-01-01T11:59:55Z', leaseDurationSeconds: 15 }) },
  quotas: { found: [] },
  limitRanges: { found: [] },
  fromHere: [],
  scene: { osImages: [], distributions: [], nodeStores: [], containers: [], unseen: [] },
};

test('a cluster where all is well', () => {
  expect(check(healthy, now).map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(rules.map(({ id }) => `${id} Ok`));
});

const stalled = distribution('os:2', {}, {
  conditions: [{ type: 'Stalled', status: 'True', reason: 'NoNodes', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
}); // prettier-ignore

const source = { oci: { reference: 'registry.example.com/os/os:v1', digest: 'sha256:1' } };
const store = (image: object, freeGi = 100) =>
  ({
    kind: 'NodeStore',
    metadata: { name: 'n1' },
    spec: { images: [{ os: 'os', version: 'v1', digest: 'sha256:1', source }] },
    status: {
      images: [{ os: 'os', version: 'v1', digest: 'sha256:1', unpackedBytes: 2 * 2 ** 30, ...image }],
      store: { usedBytes: 1, freeBytes: freeGi * 2 ** 30, capacityBytes: 10 * 2 ** 30 },
    },
  }) as unknown as NodeStore;
/** A namespace with one container. */
const shop = (resources: object): Partial<ClusterFacts> => {
  return { scene: { ...healthy.scene, osImages: [osImage('os:v1')], containers: [container({ image: 'os:v1', resources })] } }; // prettier-ignore
};
const quota = (hard: Record<string, string>, used: Record<string, string>): ResourceQuota =>
  ({ metadata: { name: 'q', namespace: 'shop' }, spec: { hard }, status: { hard, used } }) as unknown as ResourceQuota;
const range = (limit: object): LimitRange =>
  ({ metadata: { name: 'r', namespace: 'shop' }, spec: { limits: [{ type: 'Container', ...limit }] } }) as unknown as LimitRange; // prettier-ignore

const broken: [string, string, Partial<ClusterFacts>, string][] = [
  ['kubernetes-version', 'Failed', { kubernetes: 'v1.32.9' }, 'v1.32.9'],
  ['node-kernels', 'Failed', { nodes: { found: [node('n1'), node('n2', { kernelVersion: '5.4.0' })] } }, 'n2 (5.4.0)'],
  ['node-runtimes', 'Failed', { nodes: { found: [node('n1', { containerRuntimeVersion: 'containerd://1.7.1' })] } }, 'n1 (containerd://1.7.1)'], // prettier-ignore
  ['node-runtimes', 'Warning', { nodes: { found: [node('n1', { containerRuntimeVersion: 'cri-o://1.33.0' })] } }, 'n1'],
  ['definitions', 'Failed', { definitions: { found: definitionNames.slice(1) } }, definitionNames[0] ?? ''],
  [
    'policies',
    'Failed',
    { policies: { found: { there: policyNames.slice(1), bound: [...policyNames] } } },
    policyNames[0],
  ],
  [
    'policies',
    'Failed',
    { policies: { found: { there: [...policyNames], bound: policyNames.slice(1) } } },
    'No binding',
  ],
  ['operator', 'Failed', { operators: { found: [] } }, 'No operator is ready'],
  ['operator', 'Warning', { operators: { found: [pod('n1'), pod('n2', { ready: 'False' })] } }, 'Only one operator'],
  ['leader', 'Failed', { lease: { found: undefined } }, 'No operator leads'],
  [
    'leader',
    'Failed',
    { lease: { found: lease({ holderIdentity: 'one', renewTime: '2026-01-01T11:00:00Z' }) } },
    '3600 s',
  ],
  ['agents', 'Failed', { agents: { found: [] } }, 'There is no agent'],
  ['agents', 'Failed', { agents: { found: [pod('n1'), pod('n2', { ready: 'False' })] } }, 'n2'],
  ['agents', 'Warning', { agents: { found: [pod('n1')] } }, 'no agent on n2'],
  ['skew', 'Warning', { agents: { found: [pod('n1'), pod('n2', { image: 'monoroot:2' })] } }, 'monoroot:2'],
  ['sources', 'Failed', { scene: { ...healthy.scene, nodeStores: [store({ state: 'Pending', reason: 'Unauthorized' })] } }, 'registry.example.com: Unauthorized on n1 (os:v1)'], // prettier-ignore
  ['sources', 'Warning', { scene: { ...healthy.scene, nodeStores: [store({ state: 'Ready' }), store({ state: 'Failed', reason: 'ManifestUnknown' })] } }, 'registry.example.com: ManifestUnknown on n1'], // prettier-ignore
  ['sources-from-here', 'Failed', { fromHere: [{ image: 'os:v1', host: 'registry.example.com', problem: 'UnreachableSource: no answer' }] }, 'os:v1: UnreachableSource: no answer'], // prettier-ignore
  [
    'room',
    'Failed',
    { scene: { ...healthy.scene, nodeStores: [store({ state: 'Failed', reason: 'NoSpace' })] } },
    'n1',
  ],
  ['room', 'Warning', { scene: { ...healthy.scene, nodeStores: [store({ state: 'Ready' }, 3)] } }, '3072 MiB free, 1536 MiB stay so, the largest has 2048 MiB'], // prettier-ignore
  ['quotas', 'Warning', { ...shop({}), quotas: { found: [quota({ pods: '2' }, { pods: '2' })] } }, 'quota q of shop has 2 of 2 pods: no further container starts there'], // prettier-ignore
  ['quotas', 'Warning', { ...shop({}), quotas: { found: [quota({ 'limits.memory': '1Gi' }, { 'limits.memory': '2Gi' })] } }, 'no container can be upgraded or started there'], // prettier-ignore
  ['quotas', 'Warning', { ...shop({}), quotas: { found: [quota({ 'requests.cpu': '4' }, {})] } }, 'a quota of shop wants requests.cpu of each Pod, which web does not say'], // prettier-ignore
  ['quotas', 'Warning', { ...shop({}), limitRanges: { found: [range({ default: { memory: '64Mi' } })] } }, 'LimitRange r of shop gives web 64Mi of memory'], // prettier-ignore
  ['quotas', 'Warning', { ...shop({ limits: { memory: '2Gi' } }), limitRanges: { found: [range({ max: { memory: '1Gi' } })] } }, 'allows 1Gi of memory, and web asks for more'], // prettier-ignore
  ['objects', 'Warning', { scene: { ...healthy.scene, distributions: [stalled] } }, 'imagedistribution/os-2'],
];

test.each(broken)('%s: %s in a cluster where that is broken, with what to do', (id, outcome, changes, told) => {
  const findings = check({ ...healthy, ...changes }, now);
  const finding = findings.find((it) => it.id === id);
  expect(finding).toMatchObject({ outcome, message: expect.stringContaining(told) as string });
  expect(finding?.hint).toMatch(/\w/);
});

test('every rule has a broken cluster', () => {
  expect(rules.map(({ id }) => id).filter((id) => !broken.some(([it]) => it === id))).toEqual([]);
});

test.each<[string, string, Partial<ClusterFacts>]>([
  ['a store that waits for its disk to be reported', 'room', { scene: { ...healthy.scene, nodeStores: [{ ...store({}), status: {} }] } }], // prettier-ignore
  ['an image that is bad, which says nothing of its server', 'sources', { scene: { ...healthy.scene, nodeStores: [store({ state: 'Failed', reason: 'DigestMismatch' })] } }], // prettier-ignore
  ['a quota of other things', 'quotas', { ...shop({}), quotas: { found: [quota({ services: '1' }, { services: '1' })] } }], // prettier-ignore
  ['a quota whose LimitRange says what Pods do not', 'quotas', { ...shop({}), quotas: { found: [quota({ 'limits.memory': '4Gi' }, { 'limits.memory': '1Gi' })] }, limitRanges: { found: [range({ default: { memory: '1Gi' } })] } }], // prettier-ignore
  ['a quota of a namespace without containers', 'quotas', { quotas: { found: [quota({ pods: '1' }, { pods: '1' })] } }],
])('%s is Ok', (_case, id, changes) => {
  expect(check({ ...healthy, ...changes }, now).find((it) => it.id === id)).toMatchObject({ outcome: 'Ok' });
});

test('what is about objects that may not be listed is skipped, too', () => {
  const scene = { ...healthy.scene, unseen: ['hostedcontainers', 'nodestores'] };
  const skipped = check({ ...healthy, scene }, now).filter(({ outcome }) => outcome === 'Skipped');
  expect(skipped.map(({ id, message }) => `${id}: ${message}`)).toEqual([
    'sources: It may not be read: you may not list nodestores',
    'room: It may not be read: you may not list nodestores',
    'quotas: It may not be read: you may not list hostedcontainers',
  ]);
});

test('a Service is not asked from here: only the cluster knows its name', () => {
  const fromHere = ['files.shop.svc:8080', 'files.shop.svc'].map((host) => ({ image: 'os:v1', host, problem: 'UnreachableSource: ENOTFOUND' })); // prettier-ignore
  expect(check({ ...healthy, fromHere }, now).find(({ id }) => id === 'sources-from-here')).toMatchObject({
    outcome: 'Ok',
    message: 'All sources are Services, which only the cluster knows',
  });
});

test('servers are asked from here only where that is asked for', () => {
  const { fromHere: _fromHere, ...facts } = healthy;
  expect(check(facts, now).map(({ id }) => id)).not.toContain('sources-from-here');
});

test('what may not be read is skipped, and fails nothing', () => {
  const denied = { denied: 'nodes is forbidden' };
  const facts: ClusterFacts = { ...healthy, nodes: denied, definitions: denied, policies: denied, operators: denied, agents: denied, lease: denied, quotas: denied, limitRanges: denied }; // prettier-ignore
  const findings = check(facts, now);
  expect(findings.filter(({ outcome }) => outcome === 'Skipped').length).toBe(9);
  expect(findings.some(({ outcome }) => outcome === 'Failed')).toBe(false);
});

test('a node whose kubelet has reported nothing yet fails nothing', () => {
  const silent = node('n3', { kernelVersion: '', containerRuntimeVersion: '' });
  const of = (...nodes: Node[]) =>
    check({ ...healthy, nodes: { found: nodes } }, now, true).map(({ id, outcome }) => `${id} ${outcome}`);
  expect(of(node('n1'), silent)).toEqual(['kubernetes-version Ok', 'node-kernels Ok', 'node-runtimes Ok']);
  expect(of(silent)).toEqual(['kubernetes-version Ok', 'node-kernels Skipped', 'node-runtimes Skipped']);
});

test('before an installation nothing is asked that only it brings', () => {
  const bare: ClusterFacts = {
    ...healthy,
    definitions: { found: [] },
    operators: { found: [] },
    agents: { found: [] },
  };
  expect(check(bare, now, true).map(({ outcome }) => outcome)).toEqual(['Ok', 'Ok', 'Ok']);
});

test('the policies are those of deploy/policies.yaml', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../deploy/policies.yaml'), 'utf8');
  const names = [...text.matchAll(/^kind: ValidatingAdmissionPolicy\nmetadata: \{ name: ([\w-]+)/gm)].map(
    ([, name]) => name,
  );
  expect([...policyNames]).toEqual(names);
});

test.each([
  ['v1.37.2', [1, 33], true],
  ['containerd://2.0.0-rc.1', [2, 0], true],
  ['5.11.9-arch', [5, 12], false],
  ['6.1', [5, 12], true],
  ['', [1, 0], false],
] as const)('%s is at least %j: %s', (version, least, is) => {
  expect(isAtLeast(version, least)).toBe(is);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { distribution } from '../../../test/fixtures/builders.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Lease } from '../../kube/types.ts';
import { definitionNames, policyNames } from './facts.ts';
import type { ClusterFacts } from './facts.ts';
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
  scene: { osImages: [], distributions: [], nodeStores: [], containers: [], unseen: [] },
};

test('a cluster where all is well', () => {
  expect(check(healthy, now).map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(rules.map(({ id }) => `${id} Ok`));
});

const stalled = distribution('os:2', {}, {
  conditions: [{ type: 'Stalled', status: 'True', reason: 'NoNodes', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
}); // prettier-ignore

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

test('what may not be read is skipped, and fails nothing', () => {
  const denied = { denied: 'nodes is forbidden' };
  const facts: ClusterFacts = { ...healthy, nodes: denied, definitions: denied, policies: denied, operators: denied, agents: denied, lease: denied }; // prettier-ignore
  const findings = check(facts, now);
  expect(findings.filter(({ outcome }) => outcome === 'Skipped').length).toBe(8);
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

import { expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import type { MountMode } from '../../pod/mode.ts';

const digest = `@sha256:${'a'.repeat(64)}`;
const pinned = { merged: `scaffold-merged${digest}`, split: `scaffold-split${digest}` };

function nodeOf(hasPlugin: boolean, images: string[] = ['os:v1', 'os:v2']) {
  const it = node('node-1', images);
  const labels = { ...it.metadata.labels, ...(hasPlugin && { 'monoroot.dev/direct-mounts': 'true' }) };
  return { ...it, metadata: { ...it.metadata, labels } };
}

function world(
  spec: Partial<HostedContainerSpec>,
  { hasPlugin = true, defaultMounts = 'Direct' }: { hasPlugin?: boolean; defaultMounts?: MountMode } = {},
): World {
  const w = new World({ image: 'os:v1', ...spec });
  w.scaffolds = pinned;
  w.defaultMounts = defaultMounts;
  for (const name of ['os:v1', 'os:v2']) w.images.set(name, osImage(name));
  w.nodes = [nodeOf(hasPlugin)];
  w.pass(15);
  return w;
}
const modeOf = (w: World) => [w.pod?.metadata.labels?.['monoroot.dev/mounts'] ?? 'HostPath', w.object.status?.mounts];
const direct = ['Direct', 'Direct'];
const hostPath = ['HostPath', undefined];

test.each<[string, Partial<HostedContainerSpec>, Parameters<typeof world>[1], (string | undefined)[]]>([
  ['Direct is the default', {}, {}, direct],
  ['HostPath is the default', {}, { defaultMounts: 'HostPath' }, hostPath],
  ['Direct is the default, and no node has the plugin', {}, { hasPlugin: false }, hostPath],
  [
    'Direct is the default, and the container cannot have it',
    { podTemplate: { hostUsers: false, automountServiceAccountToken: false } },
    {},
    hostPath,
  ],
  ['its spec says HostPath', { mounts: 'HostPath' }, {}, hostPath],
  ['its spec says Direct', { mounts: 'Direct' }, { defaultMounts: 'HostPath' }, direct],
])('the mounts of a container when %s', (_name, spec, cluster, expected) => {
  const w = world(spec, cluster);
  expect(w.condition('Ready')).toBe('True/Running');
  expect(modeOf(w)).toEqual(expected);
});

test.each<[string, (w: World) => void]>([
  ['the default changes', (w) => (w.defaultMounts = w.defaultMounts === 'Direct' ? 'HostPath' : 'Direct')],
  ['a node gets or loses the plugin', (w) => (w.nodes = [nodeOf(w.object.status?.mounts === undefined)])],
  ['its status is lost', (w) => delete w.object.status],
])('no container that runs is touched when %s', (_name, change) => {
  for (const w of [world({}), world({}, { defaultMounts: 'HostPath' }), world({}, { hasPlugin: false })]) {
    const [uid, mode] = [w.pod?.metadata.uid, modeOf(w)];
    change(w);
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(uid);
    expect(modeOf(w)).toEqual(mode);
  }
});

test('an upgrade keeps the mounts, and a container whose node lost the plugin says what to do', () => {
  const w = world({});
  w.edit({ image: 'os:v2' });
  w.pass(15);
  expect(w.image).toBe('os:v2');
  expect(modeOf(w)).toEqual(direct);
  w.nodes = [nodeOf(false)];
  w.deletePod(true);
  w.pass(15);
  expect(w.condition('Ready')).toBe('False/PodPending');
  expect(w.object.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toMatch(
    /its mounts are Direct: install.*or set spec.mounts to HostPath/,
  );
});

test('a first Pod that is refused says why it has not the default, and has it once a node can', () => {
  const w = new World({ image: 'os:v1' });
  w.scaffolds = pinned;
  w.defaultMounts = 'Direct';
  w.images.set('os:v1', osImage('os:v1'));
  w.nodes = [nodeOf(false)];
  w.refusal = ({ metadata }) =>
    metadata.labels?.['monoroot.dev/mounts'] ? undefined : 'violates PodSecurity "baseline:latest"';
  w.pass(5);
  expect(w.condition('Ready')).toBe('False/PodForbidden');
  expect(w.object.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(
    'HostPath and not Direct, the default of this cluster: no node that could run it has a node plugin',
  );
  w.nodes = [nodeOf(true)];
  w.pass(60);
  expect(modeOf(w)).toEqual(direct);
});

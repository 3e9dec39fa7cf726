import { describe, expect, test } from 'vitest';
import { container, node as nodeWith, osImage } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import { mountPlan } from '../api/mounts.ts';
import type { Container, Pod } from '../api/kubernetes/objects.ts';
import { whyNotDirect } from './direct.ts';
import { podHash } from './fingerprint.ts';
import { placementOf } from './placement.ts';
import { buildPod } from './pod.ts';
import { usableImage } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';

const scaffold = `registry/scaffold:1@sha256:${'f'.repeat(64)}`;
const scaffolds = { merged: scaffold, split: scaffold };
const usable = usableImage(osImage('debian-12:v35'));
if (!usable) throw new Error('The image of the fixtures is not Ready');
const image: UsableImage = {
  ...usable,
  hasMountScript: true,
  defaults: { command: ['/bin/app'], args: ['-x'], env: [{ name: 'FROM_IMAGE', value: '1' }] },
};
const direct = (spec: Partial<HostedContainerSpec> = {}) =>
  container({ image: 'debian-12:v35', mounts: 'Direct', command: [], ...spec });
const build = (spec: Partial<HostedContainerSpec> = {}, of = image): Pod => buildPod(direct(spec), of, scaffolds);
const main = (pod: Pod) => pod.spec.containers[0] as Container & { volumeMounts: unknown[] };
const planOf = (pod: Pod) =>
  mountPlan.parse(JSON.parse(pod.metadata.annotations?.['monoroot.dev/mounts'] ?? '') as unknown);
const names = (pod: Pod) => (main(pod).env ?? []).map(({ name }) => name);

describe('the Pod of a container with direct mounts', () => {
  test('has no volume and no hostPath, and its image reference names the tree', () => {
    const pod = build();
    expect([pod.spec.volumes, main(pod).volumeMounts]).toEqual([[], []]);
    expect(main(pod).image).toBe(
      `registry/scaffold:debian-12.v35-${image.digest.slice(7, 19)}@sha256:${'f'.repeat(64)}`,
    );
    expect(pod.metadata.labels?.['monoroot.dev/mounts']).toBe('Direct');
  });

  test('has a list of mounts that the plugin accepts, handed on by the kubelet at each start', () => {
    const pod = build();
    expect(planOf(pod)).toMatchObject({
      os: 'debian-12',
      version: 'v35',
      digest: image.digest,
      directories: ['home', 'opt', 'root', 'usr'],
      mountScript: true,
      writable: [
        { path: '/etc', bytes: 16 * 2 ** 20 },
        { path: '/run', bytes: 16 * 2 ** 20 },
        { path: '/tmp', bytes: 64 * 2 ** 20 },
        { path: '/var', bytes: 64 * 2 ** 20 },
      ],
    });
    expect(main(pod).env).toContainEqual({
      name: 'MONOROOT_MOUNTS',
      valueFrom: { fieldRef: { fieldPath: "metadata.annotations['monoroot.dev/mounts']" } },
    });
  });

  test('says what the image says in the list alone, and what the container says in the Pod alone', () => {
    const pod = build({ env: [{ name: 'OWN', value: '$(MONOROOT_NAME)' }] });
    expect(main(pod).args).toEqual([]);
    expect(names(pod)).toEqual(expect.arrayContaining(['OWN', 'MONOROOT_NAME', 'MONOROOT_NAMESPACE']));
    expect(names(pod)).not.toContain('FROM_IMAGE');
    expect(planOf(pod)).toMatchObject({ command: ['/bin/app'], args: ['-x'] });
    const planned = planOf(pod).env.map(({ name }) => name);
    expect(planned).toEqual(expect.arrayContaining(['FROM_IMAGE', 'MONOROOT_VERSION', 'MONOROOT_DIRECT']));
    expect(planned).not.toContain('OWN');
  });

  test('that has a command of its own takes none of the image', () => {
    const pod = build({ command: ['/own'], args: ['-y'] });
    expect(main(pod).args).toEqual(['/own', '-y']);
    expect(planOf(pod)).toMatchObject({ command: [], args: [] });
  });

  test('has its data as a volume', () => {
    expect(build({ data: { claimName: 'd' } }).spec.volumes).toHaveLength(1);
  });

  test('goes to nodes whose plugin answers alone', () => {
    const node = (name: string, labels: Record<string, string>) => nodeWith(name, [], {}, labels);
    const nodes = [node('with', { 'monoroot.dev/direct-mounts': 'true' }), node('without', {})];
    const of = (spec: Partial<HostedContainerSpec>) => placementOf(direct(spec), image, nodes, undefined).candidates;
    expect(of({})).toEqual(['with']);
    expect(of({ mounts: 'HostPath' })).toEqual(['with', 'without']);
    expect(JSON.stringify(build().spec.affinity)).toContain('"monoroot.dev/direct-mounts","operator":"In"');
  });
});

test('a change of the mode restarts the container, and saying the default changes nothing', () => {
  const hash = (mounts?: 'HostPath' | 'Direct') =>
    podHash(container({ image: 'debian-12:v35', ...(mounts && { mounts }) }), image);
  expect(hash('HostPath')).toBe(hash());
  expect(hash('Direct')).not.toBe(hash());
});

test.each([undefined, 'HostPath', 'Direct'] as const)(
  'with %s a user cannot say what the plugin mounts: neither by labels, nor annotations, nor the environment',
  (mounts) => {
    const own = '{"os":"secret"}';
    const pod = build({
      mounts,
      env: ['MONOROOT_MOUNTS', 'MONOROOT_DIRECT', 'MONOROOT_OVERLAYS'].map((name) => ({ name, value: own })),
      podTemplate: {
        automountServiceAccountToken: false,
        metadata: { labels: { 'monoroot.dev/mounts': 'Direct', a: 'b' }, annotations: { 'monoroot.dev/mounts': own } },
      },
    });
    expect(JSON.stringify(pod)).not.toContain('secret');
    expect(pod.metadata.labels?.a).toBe('b');
    expect('monoroot.dev/mounts' in (pod.metadata.labels ?? {})).toBe(mounts === 'Direct');
  },
);

describe('a container cannot have direct mounts', () => {
  const why = (spec: Partial<HostedContainerSpec>, of: Partial<UsableImage> = {}, name = scaffold) =>
    whyNotDirect(direct(spec), { ...image, ...of }, name);

  test('unless it asks for them it is not asked', () => {
    expect(why({ mounts: 'HostPath' }, {}, 'registry/scaffold:1')).toBeUndefined();
    expect(why({})).toBeUndefined();
  });

  const writable = Array.from({ length: 10 }, (_, i) => ({ path: `/srv/${i}`, size: '5Mi' }));
  const layout = {
    ...image.layout,
    links: [{ name: 'logs', target: 'var/log', type: 'Directory' as const }],
  };
  test.each<[string, string | undefined, RegExp]>([
    ['with a scaffold that names no digest', why({}, {}, 'registry/scaffold:1'), /names no digest/],
    [
      'with a user namespace of its own',
      why({ podTemplate: { automountServiceAccountToken: false, hostUsers: false } }),
      /hostUsers: false/,
    ],
    ['with a link into an overlay', why({}, { layout }), /\/logs of debian-12:v35 is a link/],
    ['with too many writable directories', why({ writable }), /14 writable directories.*12 at most/],
  ])('%s', (_name, message, expected) => {
    expect(message).toMatch(expected);
    expect(message).toContain('set spec.mounts to HostPath');
  });
});

import { expect, test } from 'vitest';
import { usersOf } from './users.ts';
import type { StoreUser } from './users.ts';

const paths = { root: '/s', store: '/s/store', staging: '/s/staging', trash: '/s/trash' };
const digest = `sha256:${'a'.repeat(64)}`;
const tree = (version: string) => ({ os: 'debian-12', version, digest });
const list = (version: string, software: object[] = []) =>
  JSON.stringify({
    ...tree(version),
    directories: ['usr'],
    files: [],
    links: [],
    writable: [],
    mountScript: false,
    software,
    command: [],
    args: [],
    env: [],
  });
const given = (text: string): StoreUser => ({
  metadata: { name: 'web', namespace: 'shop', annotations: { 'monoroot.dev/mounts': text } },
});
/** From v1 to v2, while the container c://1 ran. */
const patched = (containerID: string | undefined, observedGeneration = 2): StoreUser => ({
  metadata: {
    name: 'web',
    namespace: 'shop',
    annotations: {
      'monoroot.dev/mounts': list('v2'),
      'monoroot.dev/mounts-before': list('v1'),
      'monoroot.dev/patched': JSON.stringify({ containerID: 'c://1', restarts: 1, generation: 2 }),
    },
  },
  status: {
    observedGeneration,
    containerStatuses: [
      { name: 'main', ready: true, restartCount: 0, ...(containerID !== undefined && { containerID }) },
    ],
  },
});
const users = (pod: StoreUser) => usersOf({ os: 'debian-12', version: 'v1' }, paths, [pod]);

test.each<[string, StoreUser, boolean]>([
  ['gets it from the node plugin', given(list('v1')), true],
  ['gets it as software', given(list('v2', [{ name: 'jdk', ...tree('v1') }])), true],
  ['gets another from the node plugin', given(list('v2')), false],
  ['has a list that cannot be read, and may have anything', given('{'), true],
  ['was patched, and is not restarted', patched('c://1'), true],
  ['was patched, and of which the kubelet says nothing', patched(undefined), true],
  ['was patched, and of which the kubelet says what it knew before', patched('c://2', 1), true],
  ['was patched and restarted', patched('c://2'), false],
  [
    'mounts it',
    {
      metadata: { name: 'web', namespace: 'shop' },
      spec: { volumes: [{ hostPath: { path: '/s/store/debian-12/v1/root/usr' } }] },
    },
    true,
  ],
  ['has nothing of the store', { metadata: { name: 'web', namespace: 'shop' } }, false],
])('an image is in use by a Pod that %s', (_name, pod, isUsed) => {
  expect(users(pod)).toEqual(isUsed ? ['shop/web'] : []);
});

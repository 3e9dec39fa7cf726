import { expect, test } from 'vitest';
import { mountPlan, treeReference } from '../api/mounts.ts';
import type { MountPlan } from '../api/mounts.ts';
import { labels } from '../api/names.ts';
import { adjust } from './adjust.ts';
import type { Created } from './messages.ts';
import type { Found, Trees } from './tree.ts';

const digest = `sha256:${'ab'.repeat(32)}`;
const scaffold = `registry/scaffold:1.0@sha256:${'0'.repeat(64)}`;
const launch = ['/.monoroot/busybox', 'sh', '/.monoroot/launch'];

const plan = (extra: Partial<MountPlan> = {}): MountPlan => ({
  os: 'debian-12',
  version: 'v2',
  digest,
  directories: ['usr'],
  files: [],
  links: [],
  writable: [{ path: '/etc', bytes: 1000 }],
  mountScript: false,
  software: [],
  command: ['/bin/image'],
  args: ['--of-image'],
  env: [],
  ...extra,
});

/** A container as containerd tells of it. */
function seen(
  of: MountPlan = plan(),
  { args = [] as string[], ...extra }: Partial<Created['container']> = {},
): Created {
  return {
    pod: { name: 'shop', namespace: 'shops', labels: { [labels.mounts]: 'Direct' } },
    container: {
      id: 'c1',
      name: 'main',
      annotations: { 'io.kubernetes.cri.image-name': treeReference(scaffold, of) ?? '' },
      args: [...launch, ...args],
      env: ['A=b', `MONOROOT_MOUNTS=${JSON.stringify(of)}`],
      ...extra,
    },
  };
}

const directory: Found = { kind: 'Directory', empty: false, uid: 0, gid: 0, mode: 0o755 };
const missing: Found = { ...directory, kind: 'Missing' };
const usual: Record<string, Partial<Found>> = { 'root/usr': {}, 'root/etc': {}, 'root/var': {} };

/** A store with one image. */
const store = (entries: Record<string, Partial<Found>> = {}): Trees => ({
  digestOf: ({ version }) => (version === 'v2' ? digest : undefined),
  look: (_tree, path) => {
    const found = { ...usual, ...entries }[path];
    return found ? { ...directory, ...found } : missing;
  },
});

const given = (of: Created, trees = store()) => adjust(of, trees, { bundles: '/run/bundles' });
const mountsOf = (of: Partial<MountPlan>, trees = store()) => given(seen(plan(of)), trees)?.mounts;
const tree = '/var/lib/monoroot/store/debian-12/v2/root';

test('a directory of the tree is mounted read-only with all below it', () => {
  expect(mountsOf({ writable: [] })).toEqual([
    { source: `${tree}/usr`, destination: '/usr', type: 'bind', options: ['rbind', 'rprivate', 'rro'] },
  ]);
});

test('a writable directory is an overlay on memory of its size, which the runtime mounts first', () => {
  const memory = ['rw', 'nosuid', 'nodev', 'size=1000', 'mode=0700', 'tmpcopyup'];
  const upper = '/run/bundles/c1/rootfs/.rw-0';
  expect(mountsOf({ directories: [] })).toEqual([
    { source: 'tmpfs', destination: '/.rw-0', type: 'tmpfs', options: memory },
    {
      source: 'overlay',
      destination: '/etc',
      type: 'overlay',
      options: [`lowerdir=${tree}/etc`, `upperdir=${upper}/upper`, `workdir=${upper}/work`],
    },
  ]);
});

test.each<[string, Record<string, Partial<Found>>, string[]]>([
  ['that the image has not is memory of root', {}, ['mode=0755', 'uid=0', 'gid=0']],
  [
    'that is empty in the image is memory with the owner of the image',
    { 'root/srv/app': { empty: true, uid: 33, gid: 34, mode: 0o2750 } },
    ['mode=2750', 'uid=33', 'gid=34'],
  ],
])('a writable directory %s', (_name, entries, owner) => {
  const writable = [{ path: '/srv/app', bytes: 1000 }];
  expect(mountsOf({ directories: [], writable }, store(entries))).toEqual([
    {
      source: 'tmpfs',
      destination: '/srv/app',
      type: 'tmpfs',
      options: ['rw', 'nosuid', 'nodev', 'size=1000', ...owner],
    },
  ]);
});

test('/tmp is open to all', () => {
  const [mount] = mountsOf({ directories: [], writable: [{ path: '/tmp', bytes: 1 }] }) ?? [];
  expect(mount?.options).toContain('mode=1777');
});

test('launch learns owner and mode of an overlay that is not of root', () => {
  const entries = { 'root/etc': { uid: 7, gid: 8, mode: 0o700 } };
  const env = given(seen(plan({ directories: [] })), store(entries))?.env;
  expect(env).toContainEqual({ key: 'MONOROOT_OVERLAYS', value: '/etc=7:8:0700' });
});

test('an empty directory that the scaffold has too is not mounted', () => {
  const entries = { 'root/srv': { empty: true }, 'root/own': { empty: true } };
  const mounts = mountsOf({ directories: ['srv', 'own'], writable: [] }, store(entries));
  expect(mounts?.map(({ destination }) => destination)).toEqual(['/own']);
});

test('links, files, the mount script and software are mounted by their names', () => {
  const software = [{ name: 'jdk', os: 'jdk', version: 'v2', digest }];
  const entries = { 'root/boot.cfg': { kind: 'File' }, 'mount.sh': { kind: 'File' } } as const;
  const links = [{ name: 'app', target: 'usr' }];
  const mounts = mountsOf(
    { directories: [], files: ['boot.cfg'], links, writable: [], mountScript: true, software },
    store(entries),
  );
  expect(mounts?.map(({ source, destination }) => `${source} ${destination}`)).toEqual([
    `${tree}/boot.cfg /boot.cfg`,
    `${tree}/usr /app`,
    '/var/lib/monoroot/store/debian-12/v2/mount.sh /.monoroot/mount.sh',
    '/var/lib/monoroot/store/jdk/v2/root /sw/jdk',
  ]);
});

test.each<[string, string[], Partial<MountPlan>, string[]]>([
  ['the command of the image runs', [], {}, ['/bin/image', '--of-image']],
  ['arguments of the container replace those of the image', ['-x'], {}, ['/bin/image', '-x']],
  ['a command of the container replaces both', ['/bin/own'], { command: [], args: [] }, ['/bin/own']],
])('%s', (_name, args, of, expected) => {
  expect(given(seen(plan(of), { args }))?.args).toEqual([...launch, ...expected]);
});

test('the environment of the image is added, and the list of the plugin is emptied', () => {
  expect(given(seen(plan({ env: [{ name: 'LANG', value: 'C' }] })))?.env).toEqual([
    { key: 'LANG', value: 'C' },
    { key: 'MONOROOT_OVERLAYS', value: '' },
    { key: 'MONOROOT_MOUNTS', value: '' },
  ]);
});

test.each<[string, Created]>([
  ['of a Pod without the label', { ...seen(), pod: { ...seen().pod, labels: {} } }],
  ['with another name, such as a sidecar', seen(plan(), { name: 'sidecar' })],
])('a container %s is left as it is', (_name, of) => {
  expect(given(of)).toBeUndefined();
});

test.each<[string, Created, Trees, string]>([
  ['whose tree is not stored', seen(plan({ version: 'v3' })), store(), 'has no debian-12:v3'],
  ['whose tree has other bytes', seen(plan({ digest: `sha256:${'cd'.repeat(32)}` })), store(), 'not as sha256:cdcd'],
  ['whose image names another tree', seen(plan(), { annotations: {} }), store(), 'are those of debian-12.v2-abab'],
  ['without a plan', seen(plan(), { env: [] }), store(), 'has no MONOROOT_MOUNTS'],
  ['with a plan that is no JSON', seen(plan(), { env: ['MONOROOT_MOUNTS={'] }), store(), 'no list of mounts'],
  [
    'that does not start with launch',
    { ...seen(), container: { ...seen().container, args: ['sh'] } },
    store(),
    'launch',
  ],
  ['whose id leads elsewhere', seen(plan(), { id: '../..' }), store(), 'no usable id'],
  [
    'whose directory is a link in the tree',
    seen(),
    store({ 'root/usr': { kind: 'Other' } }),
    'usr of debian-12:v2 is no directory',
  ],
])('a container %s is not made', (_name, of, trees, why) => {
  expect(() => given(of, trees)).toThrow(why);
});

test.each<[string, object]>([
  ['a way up', { directories: ['..'] }],
  ['a slash', { directories: ['usr/bin'] }],
  ['an option of overlays in a path', { writable: [{ path: '/etc', bytes: 1, from: 'a:b' }] }],
  ['a link that leads up', { links: [{ name: 'a', target: 'usr/../..' }] }],
  ['a name for software that leads elsewhere', { software: [{ name: '../x', os: 'a', version: 'b', digest }] }],
  ['a field that is not known', { volumes: [] }],
])('a plan with %s is refused', (_name, extra) => {
  expect(mountPlan.safeParse({ ...plan(), ...extra }).success).toBe(false);
});

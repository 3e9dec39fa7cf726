import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { layout as layoutSchema } from '../../api/osimage.ts';
import type { Layout, LiteralDefaults } from '../../api/osimage.ts';
import { FetchError } from '../failure.ts';
import { detectLayout, readTop } from './layout.ts';
import { hasOwnProgram } from './program.ts';

/** A tree by its paths: `dir/`, `file`, `link -> target`. */
async function layoutOf(paths: readonly string[], defaults?: LiteralDefaults): Promise<Layout> {
  const root = mkdtempSync(join(tmpdir(), 'monoroot-layout-'));
  try {
    for (const path of paths) {
      const [name = '', target] = path.split(' -> ');
      mkdirSync(join(root, dirname(name)), { recursive: true });
      if (target !== undefined) symlinkSync(target, join(root, name));
      else if (name.endsWith('/')) mkdirSync(join(root, name), { recursive: true });
      else writeFileSync(join(root, name), '');
    }
    const layout = detectLayout(await readTop(root), await hasOwnProgram(root, defaults));
    layoutSchema.parse(layout);
    return layout;
  } finally {
    rmSync(root, { recursive: true });
  }
}

const linksOf = async (...paths: string[]) =>
  Object.fromEntries(((await layoutOf(paths)).links ?? []).map(({ name, target }) => [name, target]));

async function reason(...paths: string[]): Promise<string> {
  try {
    return (await layoutOf(paths)).kind;
  } catch (error) {
    return error instanceof FetchError ? error.reason : String(error);
  }
}

const merged = ['etc/', 'usr/bin/', 'usr/lib/', 'usr/lib64/', 'var/'];
const directories = ['etc', 'usr', 'var'];

test.each(['usr/bin', '/usr/bin', './usr/bin', '../usr/bin', 'usr//bin', 'usr/bin/', 'var/../usr/bin'])(
  'a root whose bin leads to usr/bin is merged, however that is written: %s',
  async (target) => {
    const found = await layoutOf([...merged, `bin -> ${target}`, 'lib64 -> /usr/lib64/']);
    expect(found).toEqual({ kind: 'merged', directories });
  },
);

test('a merged root may have links inside of usr: those of the scaffold lead on', async () => {
  const found = await layoutOf([...merged, 'usr/sbin -> bin', 'bin -> usr/bin', 'sbin -> usr/bin', 'lib -> usr/lib']);
  expect(found).toEqual({ kind: 'merged', directories });
});

test('a root whose bin is a directory is split', async () => {
  expect(await layoutOf(['bin/', 'etc/', 'usr/'])).toEqual({ kind: 'split', directories: ['bin', 'etc', 'usr'] });
});

test.each([
  ['lib64 -> lib beside directories', ['bin/', 'lib/', 'lib64 -> lib'], { lib64: 'lib' }],
  [
    'a merged root whose lib64 leads to usr/lib',
    [...merged.filter((it) => it !== 'usr/lib64/'), 'bin -> usr/bin', 'lib -> usr/lib', 'lib64 -> usr/lib'],
    { bin: 'usr/bin', lib: 'usr/lib', lib64: 'usr/lib' },
  ],
  [
    'a half merged root',
    ['bin/', 'usr/lib/', 'lib -> usr/lib', 'sbin -> bin', 'lib64 -> lib'],
    { lib: 'usr/lib', lib64: 'usr/lib', sbin: 'bin' },
  ],
  [
    'links of Nix, through other links',
    ['nix/store/a/bin/', 'nix/store/b -> a', 'etc/', 'bin -> /nix/store/b/bin'],
    { bin: 'nix/store/a/bin' },
  ],
  [
    'links to where the container writes, which need not be there yet',
    [...merged, 'bin -> usr/bin', 'opt -> var/opt', 'media -> run/media', 'var/opt/'],
    { opt: 'var/opt', media: 'run/media' },
  ],
  ['/etc of an OSTree commit', ['usr/bin/', 'usr/etc/', 'bin -> usr/bin'], { etc: 'usr/etc' }],
])('a container has %s', async (_name, paths, expected) => expect(await linksOf(...paths)).toEqual(expected));

test('a link to a file and a file on top are told from directories', async () => {
  const found = await layoutOf(['bin/sh', 'init -> bin/sh', 'entrypoint.sh']);
  expect(found).toEqual({
    kind: 'split',
    directories: ['bin'],
    links: [{ name: 'init', target: 'bin/sh', type: 'File' }],
    files: ['entrypoint.sh'],
  });
});

test('what the kernel and the runtime fill is no directory of the image', async () => {
  const found = await layoutOf(['bin/', 'dev/', 'etc/', 'proc/', 'run/', 'sys/', 'tmp/', 'usr/']);
  expect(found).toEqual({ kind: 'split', directories: ['bin', 'etc', 'run', 'tmp', 'usr'] });
});

test('links that lead nowhere, into what is the container’s, or to the root itself are ignored', async () => {
  const dangling = [
    'vmlinuz -> boot/vmlinuz',
    'a -> b',
    'b -> a',
    'c -> /',
    'd -> dev/shm',
    'e -> /data/x',
    'lib32 -> usr/lib32',
  ];
  const found = await layoutOf([...merged, 'bin -> usr/bin', ...dangling]);
  expect(found).toEqual({
    kind: 'merged',
    directories,
    ignored: ['a', 'b', 'c', 'd', 'e', 'vmlinuz'],
  });
});

test('names that could not be mounted are ignored', async () => {
  const found = await layoutOf(['bin/', 'usr/', 'a:b/', 'a b/', '.monoroot/', 'a$ -> bin', 'c -> usr/x=y', 'usr/x=y/']);
  expect(found).toEqual({
    kind: 'split',
    directories: ['bin', 'usr'],
    ignored: ['.monoroot', 'a b', 'a$', 'a:b', 'c'],
  });
});

test.each([
  ['nothing at all', []],
  ['a single directory around the root', ['debian/bin/', 'debian/etc/']],
  ['links to nothing', ['usr -> /usr', 'bin -> usr/bin', 'etc -> /etc']],
  ['a usr without any bin', ['usr/', 'etc/']],
  ['a bin that leads to nothing', ['usr/', 'etc/', 'bin -> ../../bin']],
])('%s is no root file system', async (_name, paths) => expect(await reason(...paths)).toBe('NoRootFileSystem'));

test.each<[string, LiteralDefaults, string[]]>([
  ['by its path', { command: ['/server'] }, ['server']],
  ['through links', { command: ['/app/start'] }, ['opt/server', 'app -> opt', 'opt/start -> server']],
  ['as an argument alone', { args: ['/app/server', 'x'] }, ['app/server']],
  ['from its directory', { command: ['./server'], workingDir: '/app' }, ['app/server']],
  ['in its PATH', { command: ['server'], env: [{ name: 'PATH', value: '/x:/app' }] }, ['app/server']],
])(
  'a tree that has the program of its image, %s, is a root however little else it has',
  async (_n, defaults, paths) => {
    expect((await layoutOf(paths, defaults)).kind).toBe('split');
    expect(await reason(...paths)).toBe('NoRootFileSystem');
  },
);

test.each<[string, LiteralDefaults, string[]]>([
  ['is not there', { command: ['/server'] }, ['debian/server']],
  ['is a directory', { command: ['/server'] }, ['server/']],
  ['would be made later', { command: ['/var/run/server'] }, ['var/', 'x']],
  ['leads out', { command: ['/server'] }, ['server -> ../../etc/hostname']],
])('a program that %s makes no root of it', async (_name, defaults, paths) => {
  await expect(layoutOf(paths, defaults)).rejects.toThrow('no root file system');
});

test('more directories than a Pod can mount are refused', async () => {
  expect(await reason('bin/', ...Array.from({ length: 128 }, (_, i) => `d${i}/`))).toBe('TooLarge');
});

test('a top with more names than any system has is refused', async () => {
  const many = Array.from({ length: 1000 }, (_, i) => `file-${i}`);
  expect(await reason(...merged, 'bin -> usr/bin', ...many)).toBe('TooLarge');
  expect(await reason(...merged, 'bin -> usr/bin', ...many.slice(0, 900))).toBe('merged');
});

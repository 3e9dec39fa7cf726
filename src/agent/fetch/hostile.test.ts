import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { DesiredImage } from '../../api/nodestore.ts';
import { FetchError } from '../../image/failure.ts';
import { fetchImage } from './fetch.ts';
import { listStore } from '../store/list.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import { prepareStore } from '../store/remove.ts';
import { compress, rootEntries, sha256, tar } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { aclValue, xattr } from '../../../test/fixtures/agent/corpus/archives.ts';
import { archiveOf } from '../../../test/fixtures/agent/corpus/write.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { manifestOf } from '../../../test/fixtures/agent/manifest.ts';
import type { Manifest } from '../../../test/fixtures/agent/manifest.ts';
import { serve } from '../../../test/fixtures/agent/server.ts';

const unable = whyNoUnpacking();
// Much is written and synced, perhaps beside others who do so.
vi.setConfig({ testTimeout: 60_000 });

/** What an archive would like to change: a directory of the node, with one file in it. */
interface Target {
  outside: string;
}

/** A directory with a store that has another image, what is half made and half deleted, and a directory beside the store. */
async function scene() {
  const directory = temporaryDirectory();
  const outside = join(directory, 'outside');
  const paths = storePaths(join(directory, 'monoroot'));
  await prepareStore(paths);
  const ports = { ...(await fetchPorts()), paths };
  await fetchImage({ ...(await desiredBytes(tar(rootEntries()))), version: 'v0' }, ports, signal);
  for (const path of [outside, join(paths.staging, 'neighbour'), join(paths.trash, 'neighbour')]) {
    await mkdir(path);
    await writeFile(join(path, 'file'), 'untouched');
  }
  const everything = () => withoutTimesOf(manifestOf(directory), 'monoroot/staging', 'monoroot/store/debian-12');
  return { outside, ports, everything };
}

/** Whoever makes or removes an entry in these directories changes their time, and nothing else. */
function withoutTimesOf(manifest: Manifest, ...paths: string[]): Manifest {
  return { ...manifest, ...Object.fromEntries(paths.map((path) => [path, 'directory'])) };
}

/** Fetches the archive; gives why it was refused. Not a byte beside the staging directory differs then, and nothing is left in it. */
async function refusalOf(make: (target: Target) => Buffer, changes: Partial<DesiredImage> = {}): Promise<string> {
  const { outside, ports, everything } = await scene();
  const image = await desiredBytes(make({ outside }), changes);
  if (changes.digest !== undefined) image.source.http.sha256 = changes.digest.replace('sha256:', '');
  const before = everything();
  const error: unknown = await fetchImage(image, ports, signal).catch((thrown: unknown) => thrown);
  expect(everything()).toEqual(before);
  if (!(error instanceof FetchError)) throw new Error(`Expected a FetchError, got ${String(error)}`, { cause: error });
  expect(error.message).toMatch(/[;:] \S/);
  return error.reason;
}

const rootAnd =
  (...make: ((target: Target) => TarEntry)[]) =>
  (target: Target) =>
    tar([...rootEntries(), ...make.map((it) => it(target))]);
const bundleAnd =
  (...entries: TarEntry[]) =>
  () =>
    tar([...rootEntries('root/'), ...entries]);
const up = '../'.repeat(12);
const other = { digest: desiredImage().digest };
const big = () => tar([...rootEntries(), { name: 'usr/big', content: noise(300_000) }]);

/** Bytes that no compression makes smaller, the same each time. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(Array.from({ length }, () => (state = (state * 48271) % 2147483647) & 0xff));
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  const index = at < 0 ? bytes.length + at : at;
  changed[index] = (changed[index] ?? 0) ^ 0x55;
  return changed;
}

/** An xz file whose first block asks for a dictionary of so many GiB. */
function withDictionary(bytes: Buffer, gibibytes: 1 | 2): Buffer {
  const changed = Buffer.from(bytes);
  // The header of the block: its size, flags, the filter LZMA2 with one byte of properties, padding, its checksum.
  const [header, size] = [12, ((bytes[12] ?? 0) + 1) * 4];
  changed.writeUInt8(gibibytes === 1 ? 36 : 38, header + 4);
  changed.writeUInt32LE(crc32(changed.subarray(header, header + size - 4)), header + size - 4);
  return changed;
}

/** A frame of zstd with a window of so many bits, and one block of zeros. */
function withWindow(bits: number): Buffer {
  const [magic, descriptor] = [Buffer.from('28b52ffd', 'hex'), Buffer.from([0, (bits - 10) << 3])];
  // The last block, run-length encoded, of 1000 bytes.
  const block = Buffer.from([((1000 << 3) & 0xff) | 3, (1000 << 3) >> 8, 0, 0]);
  return Buffer.concat([magic, descriptor, block]);
}

const users = Array.from({ length: 5000 }, (_, i): [number, number, number] => [2, 7, i + 1]);
const largeAcl = aclValue([[1, 6], ...users, [4, 4], [0x10, 7], [0x20, 4]]);

const elfOf = (machine: number) => {
  const elf = Buffer.alloc(64);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeUInt16LE(machine, 18);
  return elf;
};

describe.skipIf(unable)(unable ? `a hostile archive (skipped: ${unable})` : 'a hostile archive', () => {
  test.each<[string, (target: Target) => Buffer, string, Partial<DesiredImage>?]>([
    // Names that lead out
    ['a name with ..', rootAnd(({ outside }) => ({ name: `${up}${outside}/evil`, content: 'x' })), 'UnsafeArchive'],
    ['a name with .. in the middle', rootAnd(() => ({ name: `usr/../${up}evil`, content: 'x' })), 'UnsafeArchive'],
    ['a directory ..', rootAnd(() => ({ name: '../', type: 'directory', mode: 0o777 })), 'UnsafeArchive'],
    [
      'a name of the neighbour in staging',
      rootAnd(() => ({ name: '../../neighbour/file', content: 'x' })),
      'UnsafeArchive',
    ],
    // Links that lead out
    [
      'a link to above as parent',
      rootAnd(
        ({ outside }) => ({ name: 'l', type: 'symlink', link: `${up}${outside}` }),
        () => ({ name: 'l/evil', content: 'x' }),
      ),
      'UnsafeArchive',
    ],
    [
      'an absolute link as parent',
      rootAnd(
        ({ outside }) => ({ name: 'l', type: 'symlink', link: outside }),
        () => ({ name: 'l/evil', content: 'x' }),
      ),
      'UnsafeArchive',
    ],
    [
      'a link to a link as parent',
      rootAnd(
        ({ outside }) => ({ name: 'a', type: 'symlink', link: outside }),
        () => ({ name: 'usr/b', type: 'symlink', link: '../a' }),
        () => ({ name: 'usr/b/evil', content: 'x' }),
      ),
      'UnsafeArchive',
    ],
    [
      'a link in place of a directory of its own',
      rootAnd(
        ({ outside }) => ({ name: 'srv', type: 'symlink', link: outside }),
        () => ({ name: 'srv/evil', content: 'x' }),
      ),
      'UnsafeArchive',
    ],
    [
      'a hard link to above',
      rootAnd(({ outside }) => ({ name: 'h', type: 'hardlink', link: `${up}${outside}/file` })),
      'UnsafeArchive',
    ],
    // Inside of the chroot there is no such file.
    [
      'an absolute hard link',
      rootAnd(({ outside }) => ({ name: 'h', type: 'hardlink', link: `${outside}/file` })),
      'CorruptArchive',
    ],
    [
      'a hard link through a link',
      rootAnd(
        ({ outside }) => ({ name: 'l', type: 'symlink', link: outside }),
        () => ({ name: 'h', type: 'hardlink', link: 'l/file' }),
      ),
      'UnsafeArchive',
    ],
    ['a loop of links on top', () => tar([{ name: 'usr', type: 'symlink', link: 'usr' }]), 'NoRootFileSystem'],
    [
      'links to each other for bin and sbin',
      () =>
        tar([
          { name: 'etc/', type: 'directory' },
          { name: 'bin', type: 'symlink', link: 'sbin' },
          { name: 'sbin', type: 'symlink', link: 'bin' },
        ]),
      'NoRootFileSystem',
    ],
    ['a link to the usr of the node', () => tar([{ name: 'usr', type: 'symlink', link: '/usr' }]), 'NoRootFileSystem'],
    // Devices
    ['a disk outside of dev', rootAnd(() => ({ name: 'usr/sda', type: 'block', device: [8, 0] })), 'UnsafeArchive'],
    ['the memory in usr/dev', rootAnd(() => ({ name: 'usr/dev', type: 'character', device: [1, 1] })), 'UnsafeArchive'],
    [
      'a device instead of dev',
      () => tar([...rootEntries().filter(({ name }) => name !== 'dev/'), { name: 'dev', type: 'block' }]),
      'UnsafeArchive',
    ],
    // Names that no one can use
    [
      'a path that is too long as a whole',
      rootAnd(() => ({ name: `usr/${'d'.repeat(239)}/`.concat(`${'e'.repeat(239)}/`.repeat(16)), type: 'directory' })),
      'UnsafeArchive',
    ],
    [
      'a file whose path is just too long',
      rootAnd(() => ({ name: `usr/${`${'e'.repeat(239)}/`.repeat(16)}${'f'.repeat(240)}`, content: 'x' })),
      'UnsafeArchive',
    ],
    ['a name of 256 bytes', rootAnd(() => ({ name: `usr/${'n'.repeat(256)}`, content: 'x' })), 'CorruptArchive'],
    // Broken bytes
    ['cut zstd', () => compress('zstd', big()).subarray(0, -3000), 'TruncatedArchive'],
    ['cut gzip', () => compress('gzip', big()).subarray(0, -3000), 'TruncatedArchive'],
    ['cut xz', () => compress('xz', big()).subarray(0, -3000), 'TruncatedArchive'],
    ['cut tar', () => big().subarray(0, 100_100), 'TruncatedArchive'],
    ['a flipped byte in zstd', () => flipped(compress('zstd', big()), 5000), 'CorruptArchive'],
    ['a flipped byte in gzip', () => flipped(compress('gzip', big()), 5000), 'CorruptArchive'],
    ['a flipped byte in xz', () => flipped(compress('xz', big()), 5000), 'CorruptArchive'],
    ['a flipped byte in the checksum of gzip', () => flipped(compress('gzip', big()), -6), 'CorruptArchive'],
    ['a flipped byte in the first header', () => flipped(big(), 3), 'CorruptArchive'],
    ['a flipped byte in a later header', () => flipped(big(), 512 * 3 + 3), 'CorruptArchive'],
    [
      'defaults that fill the status of a node',
      bundleAnd({
        name: 'bundle.json',
        content: JSON.stringify({
          os: 'debian-12',
          version: 'v1',
          defaults: { env: Array.from({ length: 50 }, (_, i) => ({ name: `A${i}`, value: 'x'.repeat(1000) })) },
        }),
      }),
      'TooLarge',
    ],
    ['a tar file that was compressed twice', () => compress('zstd', compress('zstd', big())), 'UnsupportedArchive'],
    ['a tar file that was compressed in two ways', () => compress('gzip', compress('xz', big())), 'UnsupportedArchive'],
    ['a window of a gigabyte in xz', () => withDictionary(compress('xz', big()), 1), 'TooLarge'],
    ['a window of a gigabyte in zstd', () => withWindow(30), 'TooLarge'],
    [
      'a bundle.json of a million values',
      bundleAnd({ name: 'bundle.json', content: `[${'1,'.repeat(520_000)}1]` }),
      'BundleMismatch',
    ],
    [
      'a variable twice, for which the status of the node would be refused',
      bundleAnd({
        name: 'bundle.json',
        content:
          '{"os":"debian-12","version":"v1","defaults":{"env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}}',
      }),
      'UnsupportedImage',
    ],
    [
      'a zero byte in its command',
      bundleAnd({
        name: 'bundle.json',
        content: '{"os":"debian-12","version":"v1","defaults":{"command":["/bin/a\\u0000b"]}}',
      }),
      'UnsupportedImage',
    ],
    [
      'an ACL that no file has room for, which is no lack of space',
      () =>
        Buffer.concat([
          tar(rootEntries()).subarray(0, -1024),
          archiveOf('pax', [{ name: 'usr/a', pax: xattr('system.posix_acl_access', largeAcl) }]),
        ]),
      'UnsupportedArchive',
    ],
    ['a compressed something', () => compress('zstd', Buffer.from('no tar at all')), 'UnsupportedArchive'],
    ['a web page', () => Buffer.from('<html></html>'), 'UnsupportedArchive'],
    ['nothing', () => Buffer.alloc(0), 'UnsupportedArchive'],
    ['other bytes', () => big(), 'DigestMismatch', other],
    ['other, broken bytes', () => flipped(compress('xz', big()), 5000), 'DigestMismatch', other],
    ['other bytes that try to get out', rootAnd(() => ({ name: `${up}evil`, content: 'x' })), 'DigestMismatch', other],
    // Not a root file system, or not this one
    ['nothing in it', () => compress('zstd', tar([])), 'NoRootFileSystem'],
    ['a directory around the root', () => tar(rootEntries('debian/')), 'NoRootFileSystem'],
    ['a root that is a link', () => tar([{ name: 'root', type: 'symlink', link: '/' }]), 'NoRootFileSystem'],
    ['a root that is a file', () => tar([{ name: 'root', content: 'x' }]), 'NoRootFileSystem'],
    [
      'a link as root and then files through it',
      () => tar([{ name: 'root', type: 'symlink', link: '/' }, ...rootEntries('root/')]),
      'UnsafeArchive',
    ],
    [
      'programs of another processor',
      rootAnd(() => ({ name: 'usr/bin/ls', content: elfOf(183) })),
      'ArchitectureMismatch',
    ],
    ...(['mount.sh', 'bundle.json'] as const).flatMap((name): [string, (target: Target) => Buffer, string][] => [
      [`a link as ${name}`, bundleAnd({ name, type: 'symlink', link: '/etc/hostname' }), 'BundleMismatch'],
      [`a link to itself as ${name}`, bundleAnd({ name, type: 'symlink', link: name }), 'BundleMismatch'],
      [`a directory as ${name}`, bundleAnd({ name: `${name}/`, type: 'directory' }), 'BundleMismatch'],
      [`a fifo as ${name}, which no one ever writes to`, bundleAnd({ name, type: 'fifo' }), 'BundleMismatch'],
      [`a device as ${name}`, bundleAnd({ name, type: 'character', device: [1, 5] }), 'BundleMismatch'],
      [`a huge ${name}`, bundleAnd({ name, content: Buffer.alloc(2 ** 20 + 1, ' ') }), 'TooLarge'],
    ]),
    ['no JSON as bundle.json', bundleAnd({ name: 'bundle.json', content: '{' }), 'BundleMismatch'],
    [
      'more directories on top than can be mounted',
      () =>
        tar([
          ...rootEntries(),
          ...Array.from({ length: 130 }, (_, i) => ({ name: `d${i}/`, type: 'directory' as const })),
        ]),
      'TooLarge',
    ],
  ])('with %s is refused', async (_name, make, reason, changes) => {
    expect(await refusalOf(make, changes)).toBe(reason);
  });

  test('that makes gigabytes of kilobytes is stopped', async () => {
    const zeros = compress('zstd', Buffer.alloc(512 * 1024 * 1024));
    // 20 GiB of zeros: one header that promises them, then the same compressed frame again and again.
    const promised = hugeHeader(tar([...rootEntries(), { name: 'usr/zero', content: '' }]).subarray(0, -1024));
    const bomb = Buffer.concat([compress('zstd', promised), ...Array.from({ length: 40 }, () => zeros)]);
    expect(bomb.length).toBeLessThan(4_000_000);
    expect(await refusalOf(() => bomb)).toBe('TooLarge');
  });

  test('with 70,000 names for one file is refused or stored whole', async () => {
    // How many a file may have is a limit of the file system: 65,000 in ext4, billions in XFS.
    const { ports } = await scene();
    const entries = manyLinks(70_000);
    const image = await desiredBytes(compress('zstd', tar([...rootEntries(), ...entries])));
    const result = await fetchImage(image, ports, signal).catch((error: unknown) => error);
    if (result instanceof FetchError) expect(result.reason).toBe('CorruptArchive');
    else expect(result).toMatchObject({ files: rootEntries().length + entries.length });
    expect((await listStore(ports.paths)).broken).toEqual([]);
  });

  test('with more files than the file system of the store can hold is stopped, and leaves it as it was', async () => {
    const paths = storePaths(join(temporaryFileSystem('size=1g,nr_inodes=400'), 'monoroot'));
    await prepareStore(paths);
    const ports = { ...(await fetchPorts()), paths };
    const before = manifestOf(paths.store);
    const files = Array.from({ length: 2000 }, (_, i) => ({ name: `usr/lib/${i}`, content: '' }));
    const image = await desiredBytes(compress('zstd', tar([...rootEntries(), ...files])));
    await expect(fetchImage(image, ports, signal)).rejects.toMatchObject({ reason: 'NoSpace' });
    expect(manifestOf(paths.store)).toEqual(before);
    expect(readdirSync(paths.staging)).toEqual([]);
  });

  describe('that is only odd is stored inside of its own root:', () => {
    test.each<[string, (target: Target) => TarEntry[], string[]?]>([
      ['absolute names', ({ outside }) => [{ name: `${outside.slice(0, 80)}/evil`, content: 'x' }]],
      [
        'a link that is replaced by a file',
        ({ outside }) => [
          { name: 'usr/l', type: 'symlink', link: `${outside}/file` },
          { name: 'usr/l', content: 'inside' },
        ],
      ],
      [
        'a hard link to a link that is replaced by a file',
        ({ outside }) => [
          { name: 'usr/l', type: 'symlink', link: `${outside}/file` },
          { name: 'usr/h', type: 'hardlink', link: 'usr/l' },
          { name: 'usr/h', content: 'inside' },
        ],
      ],
      [
        "names like the staging's own",
        () => [
          { name: 'entry/', type: 'directory' },
          { name: 'tree/image.json', content: '{}' },
          { name: 'image.json', content: '{}' },
          { name: 'debian-12.v1.id1/', type: 'directory' },
        ],
        ['debian-12.v1.id1', 'entry', 'tree'],
      ],
      [
        'names with newlines, controls and bytes that are no UTF-8',
        () => [
          { name: 'a\nb/', type: 'directory' },
          { name: 'caf\xe9/', type: 'directory' },
          { name: 'usr/x\n\x1b[2J\xff', content: 'x' },
          { name: 'usr/bsdtar: Error exit delayed from previous errors.', content: 'x' },
        ],
      ],
      ['a top that is closed to everybody', () => [{ name: './', type: 'directory', mode: 0 }]],
    ])('%s', async (_name, make, directories = []) => {
      const { outside, ports, everything } = await scene();
      const image = await desiredBytes(tar([...rootEntries(), ...make({ outside })]));
      const before = everything();
      const stored = await fetchImage(image, ports, signal);
      expect(stored.layout.directories).toEqual(expect.arrayContaining(['etc', 'usr', ...directories]));
      expect((await listStore(ports.paths)).images).toContainEqual(stored);
      const beside = Object.fromEntries(Object.entries(everything()).filter(([path]) => path in before));
      expect(beside).toEqual(before);
      expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('untouched');
      const root = join(entryPath(ports.paths, stored), 'root');
      expect(manifestOf(root)['.']).toMatch(/^directory, 755/);
    });
  });

  test('is unpacked by a program that sees nothing but the staging directory', async () => {
    const archive = big();
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, 200_000));
    });
    const ports = await fetchPorts();
    const stop = new AbortController();
    const http = { url: `${origin}/image`, sha256: sha256(archive) };
    const done = fetchImage(desiredImage('v1', { source: { http } }), ports, stop.signal).catch(() => undefined);
    onTestFinished(async () => {
      stop.abort();
      await done;
    });
    const tree = join(ports.paths.staging, 'debian-12.v1.id1/tree');
    const pid = await childCalled('bsdtar');
    const deadline = Date.now() + 90_000;
    while ((await readlink(`/proc/${pid}/root`)) !== tree) {
      if (Date.now() > deadline) throw new Error(`The root of bsdtar is ${await readlink(`/proc/${pid}/root`)}`);
      await setTimeout(10);
    }
    expect(await readlink(`/proc/${pid}/cwd`)).toBe(tree);
    // It has nothing open of the node: no other file or directory, and no connection but the streams to its parent.
    for (const fd of readdirSync(`/proc/${pid}/fd`).filter((it) => Number(it) > 2)) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => tree);
      expect(link).not.toMatch(/^socket/);
      if (link.startsWith('/')) expect(`${link}/`).toContain(`${tree}/`);
    }
    expect((await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter(Boolean).sort()).toEqual([
      'LC_ALL=C.UTF-8',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });
});

function manyLinks(count: number): TarEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `usr/lib/${i}`,
    type: 'hardlink',
    link: 'etc/os-release',
  }));
}

/** The process that was started by this one. */
async function childCalled(name: string): Promise<number> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    for (const pid of readdirSync('/proc').filter((it) => /^\d+$/.test(it))) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [, comm, parent] = /\((.*)\) \S (\d+)/.exec(stat) ?? [];
      if (comm === name && Number(parent) === process.pid) return Number(pid);
    }
    if (Date.now() > deadline) throw new Error(`There was no ${name} within 90 s`);
    await setTimeout(10);
  }
}

/** Makes the last header of an archive promise 20 GiB. */
function hugeHeader(archive: Buffer): Buffer {
  const header = archive.subarray(-512);
  header.write((20 * 2 ** 30).toString(8).padStart(11, '0'), 124, 'latin1');
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return archive;
}

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openHttp } from '../../image/download/http.ts';
import { fetchImage } from './fetch.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import { prepareStore } from '../store/remove.ts';
import { sha256, zip } from '../../../test/fixtures/agent/archive.ts';
import type { ZipEntry } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { expectNothingLeft, failure, reasonOf, signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { onThisMachine, serve, serveBytes } from '../../../test/fixtures/agent/server.ts';
import { transfer } from '../../image/transfer.ts';
import { DiskReservations } from '../../image/disk/reservations.ts';
import { readSpace } from '../../image/disk/space.ts';

const unable = whyNoUnpacking();
const noZip = spawnSync('zip', ['--version']).status !== 0;

const cannotMount =
  unable !== undefined || spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status !== 0;

const directories = ['usr', 'usr/bin', 'etc', 'var', 'tmp'];
const [file, directory, link] = [0o100000, 0o040000, 0o120000];
const root: ZipEntry[] = [
  ...directories.map((name) => ({ name: `${name}/`, mode: directory | 0o755, content: '' })),
  { name: 'bin', mode: link | 0o777, content: 'usr/bin' },
  { name: 'usr/bin/hello', mode: file | 0o4755, content: '#!/bin/sh\necho hello\n' },
];
const changed = (bytes: Buffer, change: (copy: Buffer) => void) => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};

/** A root file system on the disk, with what is easily lost. */
function rootOnDisk(): string {
  const path = temporaryDirectory();
  for (const name of directories) mkdirSync(join(path, name));
  chmodSync(join(path, 'tmp'), 0o1777);
  symlinkSync('usr/bin', join(path, 'bin'));
  writeFileSync(join(path, 'usr/bin/hello'), 'hello'.repeat(10_000));
  chmodSync(join(path, 'usr/bin/hello'), 0o4755);
  writeFileSync(join(path, 'etc/shadow'), 'secret');
  chmodSync(join(path, 'etc/shadow'), 0o640);
  chownSync(join(path, 'etc/shadow'), 0, 42);
  utimesSync(join(path, 'etc/shadow'), 1_600_000_000, 1_600_000_000);
  return path;
}

describe.skipIf(unable)(unable ? `zip archives (skipped: ${unable})` : 'a zip archive', () => {
  describe.each<[string, string[], boolean]>([
    ['bsdtar', ['bsdtar', '--format', 'zip', '-cf', 'FILE', '.'], false],
    ['zip -y', ['zip', '-q', '-r', '-y', 'FILE', '.'], noZip],
    ['zip -y -fz, as ZIP64', ['zip', '-q', '-r', '-y', '-fz', 'FILE', '.'], noZip],
    ['bsdtar, through a pipe', ['sh', '-c', 'bsdtar --format zip -cf - . | cat >FILE'], false],
  ])('made by %s', (_name, command, missing) => {
    test.skipIf(missing)('is stored with owners, modes, times and links', async () => {
      const path = join(temporaryDirectory(), 'a.zip');
      const [program = '', ...args] = command.map((word) => word.replace('FILE', path));
      execFileSync(program, args, { cwd: rootOnDisk() });
      const ports = await fetchPorts();
      const stored = await fetchImage(await desiredBytes(readFileSync(path)), ports, signal);
      const at = join(entryPath(ports.paths, stored), 'root');
      expect(stored).toMatchObject({ digest: `sha256:${sha256(readFileSync(path))}`, layout: { kind: 'merged' } });
      expect(await readlink(join(at, 'bin'))).toBe('usr/bin');
      expect(await readFile(join(at, 'usr/bin/hello'), 'utf8')).toBe('hello'.repeat(10_000));
      expect((await lstat(join(at, 'usr/bin/hello'))).mode & 0o7777).toBe(0o4755);
      expect((await lstat(join(at, 'tmp'))).mode & 0o7777).toBe(0o1777);
      const shadow = await lstat(join(at, 'etc/shadow'));
      expect([shadow.mode & 0o7777, shadow.uid, shadow.gid, shadow.mtimeMs]).toEqual([0o640, 0, 42, 1_600_000_000_000]);
      expect(await readdir(ports.paths.staging)).toEqual([]);
    });
  });

  test('may be a bundle', async () => {
    const inside = root.map((entry) => ({ ...entry, name: `root/${entry.name}` }));
    const bundle = { os: 'debian-12', version: 'v1', defaults: { command: ['/bin/hello'] } };
    const json = { name: 'bundle.json', mode: file | 0o644, content: JSON.stringify(bundle) };
    const top = { name: 'root/', mode: directory | 0o755, content: '' };
    const stored = await fetchImage(await desiredBytes(zip([top, ...inside, json])), await fetchPorts(), signal);
    expect(stored.defaults).toEqual(bundle.defaults);
  });

  test('of another digest is not even unpacked', async () => {
    const [staging, http] = [
      temporaryDirectory(),
      await openHttp(await serveBytes(zip(root)), { signal, reach: onThisMachine }),
    ];
    const tree = join(staging, 'tree');
    mkdirSync(tree);
    const { digest } = desiredImage();
    const reservations = new DiskReservations(() => readSpace(staging), { bytes: 1 });
    const reservation = await reservations.reserve({ archiveBytes: undefined, unpackedBytes: undefined }, () =>
      Promise.resolve(0),
    );
    const done = transfer(http, {
      directory: tree,
      scratch: staging,
      digest,
      reservation,
      signal,
      onBytes: () => undefined,
    });
    await expect(done).rejects.toMatchObject({ reason: 'DigestMismatch' });
    await http.close();
    expect([await readdir(staging), await readdir(tree)]).toEqual([['tree'], []]);
  });

  test.each<[string, Buffer, string]>([
    ['whose directory is cut off', zip(root).subarray(0, -100), 'CorruptArchive'],
    ['with much after its end', Buffer.concat([zip(root), Buffer.alloc(20_000)]), 'CorruptArchive'],
    ['of several parts', changed(zip(root), (it) => it.writeUInt16LE(1, it.length - 18)), 'CorruptArchive'],
    [
      'whose directory is elsewhere',
      changed(zip(root), (it) => it.writeUInt32LE(1e9, it.length - 6)),
      'CorruptArchive',
    ],
    [
      'whose content is damaged',
      changed(zip(root), (it) => it.fill('x', it.indexOf('echo'), it.indexOf('echo') + 4)),
      'CorruptArchive',
    ],
    ['without a root', zip([{ name: 'a', mode: file | 0o644, content: 'x' }]), 'NoRootFileSystem'],
    ['with a file above', zip([...root, { name: '../../evil', mode: file | 0o644, content: 'x' }]), 'UnsafeArchive'],
    [
      'with a file through a link',
      zip([
        ...root,
        { name: 'l', mode: link | 0o777, content: '/' },
        { name: 'l/evil', mode: file | 0o644, content: 'x' },
      ]),
      'UnsafeArchive',
    ],
  ])('%s is refused', async (_name, bytes, reason) => expect(await reasonOf(bytes)).toBe(reason));

  test.skipIf(noZip)('that is encrypted is refused, and asks no one for a password', async () => {
    const path = join(temporaryDirectory(), 'a.zip');
    execFileSync('zip', ['-q', '-r', '-y', '-P', 'geheim', path, '.'], { cwd: rootOnDisk() });
    expect(await reasonOf(readFileSync(path))).toBe('CorruptArchive');
  });

  test('that makes gigabytes of kilobytes is stopped', { timeout: 60_000 }, async () => {
    const zeros = Buffer.alloc(128 * 1024 * 1024);
    const packed = {
      mode: file | 0o644,
      content: deflateRawSync(zeros),
      inflated: { bytes: zeros.length, crc: crc32(zeros) },
    };
    const bomb = zip([...root, ...Array.from({ length: 32 }, (_, i) => ({ ...packed, name: `usr/${i}` }))]);
    expect(bomb.length).toBeLessThan(5_000_000);
    expect(await reasonOf(bomb)).toBe('TooLarge');
  });

  test.skipIf(cannotMount)('needs room for itself and for what it unpacks to', async () => {
    const path = temporaryDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'none', path]);
    onTestFinished(() => void execFileSync('umount', [path]));
    const paths = storePaths(path);
    await prepareStore(paths);
    const big = { name: 'usr/big', mode: file | 0o644, content: Buffer.alloc(30 * 1024 * 1024) };
    // Once it fits beside the 256 MiB that stay free, twice it does not.
    const { reason } = await failure(await desiredBytes(zip([...root, big])), await fetchPorts({ paths }));
    expect(reason).toBe('NoSpace');
  });

  test('that breaks in the middle is resumed', async () => {
    const bytes = zip([...root, { name: 'usr/big', mode: file | 0o644, content: Buffer.alloc(1_000_000, 'x') }]);
    const origin = await serve((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      if (start === 0) {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 500_000), () => response.destroy());
      } else {
        response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
        response.end(bytes.subarray(start));
      }
    });
    const http = { url: `${origin}/image`, sha256: sha256(bytes) };
    const image = desiredImage('v1', { source: { http }, digest: `sha256:${http.sha256}` });
    expect(await fetchImage(image, await fetchPorts(), signal)).toMatchObject({ archiveBytes: bytes.length });
  });

  test('that is stopped in the middle leaves nothing behind', async () => {
    const bytes = zip([...root, { name: 'usr/big', mode: file | 0o644, content: Buffer.alloc(1_000_000, 'x') }]);
    const origin = await serve((_request, response) =>
      response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 500_000)),
    );
    const ports = await fetchPorts();
    const stop = new AbortController();
    const image = desiredImage('v1', { source: { http: { url: `${origin}/image`, sha256: sha256(bytes) } } });
    const done = fetchImage(image, ports, stop.signal, () => stop.abort(new Error('stopped')));
    await expect(done).rejects.toThrow('stopped');
    await expectNothingLeft(ports);
  });
});

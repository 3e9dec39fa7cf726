import { spawn } from 'node:child_process';
import { lstat, readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { fetchImage } from './fetch.ts';
import type { FetchProgress } from './fetch.ts';
import { listStore } from '../store/list.ts';
import { entryPath } from '../store/paths.ts';
import { prepareStore } from '../store/remove.ts';
import { compress, rootEntries, sha256, tar } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { expectNothingLeft, failure, reasonOf, signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { serve } from '../../../test/fixtures/agent/server.ts';

const unable = whyNoUnpacking();

/** So big that it is still being unpacked when the last bytes have not come yet. */
const bigTar = tar([
  ...rootEntries(),
  ...Array.from({ length: 40 }, (_, i) => ({ name: `usr/lib/${i}`, content: noise(i) })),
]);
function noise(seed: number): Buffer {
  const bytes = Buffer.alloc(100_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * (seed + 7)) ^ (i >> 8) ^ (i * i);
  return bytes;
}

describe.skipIf(unable)(unable ? `fetching (skipped: ${unable})` : 'fetching', () => {
  describe('a good archive', () => {
    test.each([
      ['plain', (bytes: Buffer) => bytes],
      ['zstd', (bytes: Buffer) => compress('zstd', bytes)],
      ['gzip', (bytes: Buffer) => compress('gzip', bytes)],
      ['xz', (bytes: Buffer) => compress('xz', bytes)],
    ])('(%s) is stored as it is', async (_name, pack) => {
      const ports = await fetchPorts();
      const archive = pack(bigTar);
      const stored = await fetchImage(await desiredBytes(archive), ports, signal);
      expect((await listStore(ports.paths)).images).toEqual([stored]);
      expect(stored).toMatchObject({
        digest: `sha256:${sha256(archive)}`,
        layout: { kind: 'merged', directories: ['etc', 'srv', 'tmp', 'usr', 'var'] },
        hasMountScript: false,
        archiveBytes: archive.length,
      });
      expect(stored.unpackedBytes).toBeGreaterThan(40 * 100_000);
      const root = join(entryPath(ports.paths, stored), 'root');
      expect((await stat(join(root, 'usr/bin/hello'))).mode & 0o7777).toBe(0o4755);
      expect(await readlink(join(root, 'bin'))).toBe('usr/bin');
      expect((await readFile(join(root, 'usr/lib/39'))).equals(noise(39))).toBe(true);
      expect(await readdir(ports.paths.staging)).toEqual([]);
    });

    test('may be a bundle with a mount script and defaults', async () => {
      const bundle = { os: 'debian-12', version: 'v1', architecture: 'amd64', defaults: { command: ['/bin/hello'] } };
      const archive = tar([
        ...rootEntries('root/'),
        { name: 'mount.sh', content: 'echo bundle' },
        { name: 'bundle.json', content: JSON.stringify(bundle) },
      ]);
      const ports = await fetchPorts();
      const stored = await fetchImage(await desiredBytes(archive), ports, signal);
      expect(stored).toMatchObject({ hasMountScript: true, defaults: bundle.defaults });
      const entry = entryPath(ports.paths, stored);
      expect(await readdir(entry)).toEqual(['attributes', 'image.json', 'manifest', 'mount.sh', 'root']);
      expect(await readFile(join(entry, 'mount.sh'), 'utf8')).toBe('echo bundle');
    });

    test('gets the mount script of the spec instead of its own', async () => {
      const archive = tar([...rootEntries('root/'), { name: 'mount.sh', content: 'echo bundle' }]);
      const ports = await fetchPorts();
      const stored = await fetchImage(await desiredBytes(archive, { mountScript: 'echo spec' }), ports, signal);
      expect(await readFile(join(entryPath(ports.paths, stored), 'mount.sh'), 'utf8')).toBe('echo spec');
      expect(stored.mountScriptSha).toBe(sha256(Buffer.from('echo spec')));
    });

    test('may come in pieces, as often as the server breaks off', async () => {
      const archive = compress('zstd', bigTar);
      const pieces: string[] = [];
      const origin = await serve((request, response) => {
        const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
        const rest = archive.subarray(start);
        pieces.push(request.headers.range ?? 'whole');
        const range = { 'content-range': `bytes ${start}-${archive.length - 1}/${archive.length}` };
        response.writeHead(start === 0 ? 200 : 206, { 'content-length': rest.length, ...(start > 0 && range) });
        const piece = Math.ceil(archive.length / 4);
        if (rest.length <= piece) response.end(rest);
        else response.write(rest.subarray(0, piece), () => response.destroy());
      });
      const http = { url: `${origin}/image`, sha256: sha256(archive) };
      const image = desiredImage('v1', { source: { http }, digest: `sha256:${http.sha256}` });
      const ports = await fetchPorts();
      const progress: FetchProgress[] = [];
      const stored = await fetchImage(image, ports, signal, (it) => progress.push({ ...it }));
      expect(stored.archiveBytes).toBe(archive.length);
      expect(progress.at(-1)).toEqual({ downloadedBytes: archive.length, totalBytes: archive.length });
      // What had arrived but was not taken yet when the connection broke is asked for again.
      expect(pieces.length).toBeGreaterThanOrEqual(4);
      expect(pieces.filter((it) => it === 'whole')).toHaveLength(1);
      const last = join(entryPath(ports.paths, stored), 'root/usr/lib/39');
      expect((await readFile(last)).equals(noise(39))).toBe(true);
    });

    test('made of pieces of two files is of another digest', async () => {
      const other = tar([...rootEntries(), { name: 'usr/other', content: Buffer.alloc(4_000_000) }]);
      const origin = await serve((request, response) => {
        if (request.headers.range !== undefined) response.end(other);
        else response.writeHead(200).write(bigTar.subarray(0, 2_000_000), () => response.destroy());
      });
      const image = await desiredBytes(bigTar);
      image.source.http.url = `${origin}/image`;
      expect((await failure(image, await fetchPorts())).reason).toBe('DigestMismatch');
    });

    test('comes no faster than its distribution allows', async () => {
      const archive = await desiredBytes(bigTar, { bytesPerSecond: 4_000_000 });
      const started = performance.now();
      await fetchImage(archive, await fetchPorts(), signal);
      expect(performance.now() - started).toBeGreaterThan(950);
    });

    test('tells how far it is', async () => {
      const archive = await desiredBytes(bigTar);
      const seen: FetchProgress[] = [];
      await fetchImage(archive, await fetchPorts(), signal, (progress) => seen.push({ ...progress }));
      expect(seen.at(-1)).toEqual({ downloadedBytes: bigTar.length, totalBytes: bigTar.length });
      expect(seen.length).toBeGreaterThan(1);
    });

    test('may hold devices in dev, names that are no UTF-8, and much after its end', async () => {
      const archive = tar([
        ...rootEntries(),
        { name: 'dev/null', type: 'character', device: [1, 3] },
        { name: 'usr/caf\xe9', content: 'x' },
      ]);
      const ports = await fetchPorts();
      const stored = await fetchImage(
        await desiredBytes(Buffer.concat([archive, Buffer.alloc(5_000_000)])),
        ports,
        signal,
      );
      const root = join(entryPath(ports.paths, stored), 'root');
      expect((await lstat(join(root, 'dev/null'))).isCharacterDevice()).toBe(true);
      expect(await readdir(join(root, 'usr'), 'latin1')).toContain('caf\xe9');
    });
  });

  describe('an archive of several parts', () => {
    const second = tar([{ name: 'usr/lib/second', content: 'second' }]);
    const both = [tar(rootEntries()), second] as const;
    const skippable = (kind: number, content: string) =>
      Buffer.concat([Buffer.from([0x50 + kind, 0x2a, 0x4d, 0x18, content.length, 0, 0, 0]), Buffer.from(content)]);

    test.each<[string, Buffer]>([
      ['two tar files, one after the other', Buffer.concat(both)],
      ['three, with much between them', Buffer.concat([both[0], tar([]), Buffer.alloc(51_200), second])],
      ['the two compressed as one', compress('zstd', Buffer.concat(both))],
      ...(['zstd', 'gzip', 'xz'] as const).map((program): [string, Buffer] => [
        `two files of ${program}, one after the other`,
        Buffer.concat(both.map((it) => compress(program, it))),
      ]),
      ...[0, 8, 15].map((kind): [string, Buffer] => [
        `zstd after a skippable frame of kind ${kind}`,
        Buffer.concat([skippable(kind, 'meta'), ...both.map((it) => compress('zstd', it)), skippable(kind, '')]),
      ]),
    ])('is stored with all of them: %s', async (_name, archive) => {
      const ports = await fetchPorts();
      const stored = await fetchImage(await desiredBytes(archive), ports, signal);
      const root = join(entryPath(ports.paths, stored), 'root');
      expect(await readFile(join(root, 'usr/lib/second'), 'utf8')).toBe('second');
      expect(await readFile(join(root, 'etc/os-release'), 'utf8')).toBe('ID=test\n');
    });

    test.each<[string, Buffer, string]>([
      ['a compressed one after a plain one', Buffer.concat([both[0], compress('zstd', bigTar)]), 'after its end mark'],
      ['a plain one after a gzipped one', Buffer.concat([compress('gzip', both[0]), second]), 'trailing garbage'],
      ['a plain one after one of zstd', Buffer.concat([compress('zstd', both[0]), second]), 'unsupported format'],
      ['a plain one after one of xz', Buffer.concat([compress('xz', both[0]), second]), 'Compressed data is corrupt'],
    ])('is refused where one of them cannot be read: %s', async (_name, archive, why) => {
      const { reason, message } = await failure(await desiredBytes(archive), await fetchPorts());
      expect(reason).toBe('CorruptArchive');
      expect(message).toContain(why);
    });
  });

  test.each<[string, TarEntry[], string[]]>([
    ['the link first', [{ name: 'lib', type: 'symlink', link: 'usr/lib' }], ['lib/x/libfoo.so']],
    [
      'a link to a link',
      [
        { name: 'a', type: 'symlink', link: 'lib' },
        { name: 'lib', type: 'symlink', link: './usr/../usr/lib/' },
      ],
      ['a/x/libfoo.so'],
    ],
    [
      'a name that becomes too long for a header',
      [{ name: 'lib', type: 'symlink', link: 'usr/lib' }],
      [`lib/${'n'.repeat(84)}/libfoo.so`],
    ],
  ])('an archive with a path through a link is stored below its target: %s', async (_name, links, names) => {
    const [name = ''] = names;
    const entries: TarEntry[] = [
      { name, content: 'foo' },
      { name: 'usr/lib/again', type: 'hardlink', link: name },
    ];
    const ports = await fetchPorts();
    const stored = await fetchImage(await desiredBytes(tar([...rootEntries(), ...links, ...entries])), ports, signal);
    const root = join(entryPath(ports.paths, stored), 'root');
    expect((await lstat(join(root, 'lib'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(root, 'usr', name.replace(/^a\//, 'lib/')), 'utf8')).toBe('foo');
    expect((await lstat(join(root, 'usr/lib/again'))).nlink).toBe(2);
  });

  describe('a bad archive', () => {
    test('with a path through a link that starts from the top is refused with the path, and with what to do', async () => {
      const archive = tar([
        ...rootEntries(),
        { name: 'lib', type: 'symlink', link: '/usr/lib' },
        { name: 'lib/x86_64-linux-gnu/libfoo.so', content: 'foo' },
      ]);
      const { reason, message } = await failure(await desiredBytes(archive), await fetchPorts());
      expect(reason).toBe('UnsafeArchive');
      expect(message).toContain('lib/x86_64-linux-gnu');
      expect(message).toContain('give the file its real path');
      expect(message).not.toContain('trust');
    });

    test('of another digest is not stored, and both digests are reported', async () => {
      const other = desiredImage().digest;
      const { reason, message } = await failure(await desiredBytes(bigTar, { digest: other }), await fetchPorts());
      expect(reason).toBe('DigestMismatch');
      expect(message).toContain(other);
      expect(message).toContain(sha256(bigTar));
    });

    test('that the server cuts off is reported as truncated', async () => {
      const origin = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': bigTar.length });
        response.write(bigTar.subarray(0, 2_000_000), () => response.destroy());
      });
      const image = await desiredBytes(bigTar);
      image.source.http.url = `${origin}/image`;
      expect((await failure(image, await fetchPorts())).reason).toBe('TruncatedArchive');
    });

    test('that takes too long is reported as such', async () => {
      const origin = await serve((_request, response) => response.writeHead(200).write(bigTar.subarray(0, 2_000_000)));
      const http = { url: `${origin}/image`, sha256: sha256(bigTar) };
      const image = desiredImage('v1', { source: { http }, timeoutSeconds: 0.5 });
      expect((await failure(image, await fetchPorts())).reason).toBe('TimedOut');
    });

    test('whose Secret is missing is not even asked for', async () => {
      const image = await desiredBytes(bigTar);
      image.source.http.secretRef = { name: 'login' };
      expect((await failure(image, await fetchPorts())).reason).toBe('SecretMissing');
    });

    test.each([
      ['of another image', { os: 'debian-12', version: 'v2' }],
      ['without a version', { os: 'debian-12' }],
      ['with bad defaults', { os: 'debian-12', version: 'v1', defaults: { command: 'hello' } }],
      ...['secretKeyRef', 'configMapKeyRef', 'fieldRef', 'resourceFieldRef', 'somethingNew'].map(
        (source): [string, object] => [
          `with a variable from ${source}`,
          {
            os: 'debian-12',
            version: 'v1',
            defaults: { env: [{ name: 'KEY', valueFrom: { [source]: { name: 'os-signing', key: 'cosign.key' } } }] },
          },
        ],
      ),
    ])('(a bundle %s) is refused', async (_name, bundle) => {
      const archive = tar([...rootEntries('root/'), { name: 'bundle.json', content: JSON.stringify(bundle) }]);
      expect(await reasonOf(archive)).toBe('BundleMismatch');
    });

    test('for another processor is refused, by bundle.json or by its programs', async () => {
      const bundle = { os: 'debian-12', version: 'v1', architecture: 'arm64' };
      const told = tar([...rootEntries('root/'), { name: 'bundle.json', content: JSON.stringify(bundle) }]);
      expect(await reasonOf(told)).toBe('ArchitectureMismatch');
      const elf = Buffer.alloc(64);
      elf.write('\x7fELF\x02\x01\x01', 'latin1');
      elf.writeUInt16LE(183, 18);
      const found = tar([...rootEntries(), { name: 'usr/bin/ls', content: elf }]);
      expect(await reasonOf(found)).toBe('ArchitectureMismatch');
    });
  });

  describe('being stopped', () => {
    /** A server that sends most of an archive and then waits. */
    const stalling = () =>
      serve((_request, response) => {
        response.writeHead(200, { 'content-length': bigTar.length });
        response.write(bigTar.subarray(0, 3_500_000));
      });

    test('in the middle leaves nothing behind', async () => {
      const ports = await fetchPorts();
      const stop = new AbortController();
      const http = { url: `${await stalling()}/image`, sha256: sha256(bigTar) };
      const done = fetchImage(desiredImage('v1', { source: { http } }), ports, stop.signal, () =>
        stop.abort(new Error('stopped')),
      );
      await expect(done).rejects.toThrow('stopped');
      await expectNothingLeft(ports);
    });

    test('by a kill leaves an empty store, and the next start removes the rest', async () => {
      const ports = await fetchPorts();
      const http = { url: `${await stalling()}/image`, sha256: sha256(bigTar) };
      const image = desiredImage('v1', { source: { http } });
      const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
      const program = `
        const { fetchImage } = await import(${module('./fetch.ts')});
        const { DiskReservations } = await import(${module('../../image/disk/reservations.ts')});
        const { readSpace } = await import(${module('../../image/disk/space.ts')});
        const paths = ${JSON.stringify(ports.paths)};
        const reservations = new DiskReservations(() => readSpace(paths.staging), { bytes: 2 ** 20 });
        const signatures = { policyFile: '/nonexistent/policy.yaml' };
        const http = { reach: { localSources: ['127.0.0.1'] } };
        const ports = { paths, reservations, architecture: 'amd64', signatures, http, now: () => new Date(), uniqueId: () => 'x', readSecret: async () => undefined };
        await fetchImage(${JSON.stringify(image)}, ports, new AbortController().signal);`;
      const agent = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
      const file = join(ports.paths.staging, 'debian-12.v1.x/tree/usr/lib/20');
      const deadline = Date.now() + 90_000;
      while (!(await stat(file).catch(() => undefined))) {
        if (Date.now() > deadline) throw new Error('Nothing was unpacked within 90 s');
        await setTimeout(20);
      }
      agent.kill('SIGKILL');
      await new Promise((resolve) => agent.once('close', resolve));
      expect(await listStore(ports.paths)).toEqual({ images: [], broken: [] });
      expect(await readdir(ports.paths.staging)).toEqual(['debian-12.v1.x']);
      await prepareStore(ports.paths);
      await expectNothingLeft(ports);
    });
  });
});

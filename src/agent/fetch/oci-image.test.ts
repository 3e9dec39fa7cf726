import { lstat, readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { binaryDirectory, missingBinaries } from '../../../test/fixtures/binaries.ts';
import type { OciSource } from '../../api/sources.ts';
import { fetchImage } from './fetch.ts';
import type { FetchProgress } from './fetch.ts';
import { DiskReservations } from '../../image/disk/reservations.ts';
import { entryPath } from '../store/paths.ts';
import { compress, sha256, tar } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { expectNothingLeft, failure, signal } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { pushImage, pushIndex, rootLayer, startRegistry, types, user } from '../../../test/fixtures/agent/registry.ts';
import type { RegistryChanges, TestImage, TestRegistry } from '../../../test/fixtures/agent/registry.ts';
import { startRelay } from '../../../test/fixtures/agent/relay.ts';
import type { Meddle } from '../../../test/fixtures/agent/relay.ts';
import { selfSigned } from '../../../test/fixtures/agent/tls.ts';
import { startTokenServer } from '../../../test/fixtures/agent/tokens.ts';

const missing = missingBinaries('registry');
const unable = missing.length > 0 ? `needs ${missing.join(', ')}: hack/cluster binaries registry` : whyNoUnpacking();

/** The registry that all tests push to. */
let shared: TestRegistry & { stop: () => Promise<void> };

/** Another one, until the test ends, that serves the same. */
async function start(changes: RegistryChanges): Promise<TestRegistry> {
  const registry = await startRegistry(binaryDirectory(), temporaryDirectory(), {
    ...changes,
    storage: shared.storage,
  });
  onTestFinished(registry.stop);
  return registry;
}

const wantedOci = (oci: OciSource) => desiredImage('v1', { digest: oci.digest, source: { oci } });

interface Setting {
  secrets?: Record<string, Record<string, string>>;
  mirrors?: Record<string, string[]>;
}

/** An empty store whose agent has these Secrets and mirrors. */
async function portsWith({ secrets = {}, mirrors }: Setting = {}) {
  const warnings: string[] = [];
  const mirrorsFile = join(temporaryDirectory(), 'registries.yaml');
  if (mirrors) {
    const registries = Object.fromEntries(Object.entries(mirrors).map(([name, urls]) => [name, { mirrors: urls }]));
    await writeFile(mirrorsFile, JSON.stringify({ registries }));
  }
  const registries = {
    mirrorsFile,
    warn: (message: string) => warnings.push(message),
  };
  const ports = await fetchPorts({ registries, readSecret: (name) => Promise.resolve(secrets[name]) });
  return { ports, warnings };
}

/** Pushes an image and fetches it. */
async function fetched(image: TestImage, setting: Setting = {}) {
  const { host } = shared;
  const digest = await pushImage(host, 'os', image);
  const { ports } = await portsWith(setting);
  const stored = await fetchImage(wantedOci({ reference: `${host}/os:v1`, digest, plainHTTP: true }), ports, signal);
  return { ports, stored, root: join(entryPath(ports.paths, stored), 'root') };
}

/** Why an image cannot be fetched; nothing of it may be left. */
async function reasonFor(image: TestImage): Promise<string> {
  const { host } = shared;
  const digest = await pushImage(host, 'os', image);
  const { ports } = await portsWith();
  return (await failure(wantedOci({ reference: `${host}/os:v1`, digest, plainHTTP: true }), ports)).reason;
}

const file = (name: string, content = name): TarEntry => ({ name, content, mode: 0o644 });
const directory = (name: string, mode = 0o755): TarEntry => ({ name, type: 'directory', mode });
const digestOf = (bytes: Buffer) => `sha256:${sha256(bytes)}`;
const gone = (path: string) => expect(lstat(path)).rejects.toThrow('ENOENT');

describe.skipIf(unable)(unable ? `an OCI image (skipped: ${unable})` : 'an OCI image', { timeout: 60_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'monoroot-registry-'));
  beforeAll(async () => (shared = await startRegistry(binaryDirectory(), home)), 60_000);
  afterAll(async () => {
    await shared.stop();
    rmSync(home, { recursive: true });
  });

  test('of one layer becomes the tree, and its configuration the defaults', async () => {
    const { stored, ports, root } = await fetched({
      layers: [rootLayer()],
      config: { Entrypoint: ['/bin/hello'], Cmd: ['-x', '$(A)'], Env: ['A=1', 'B=x=y', 'A=2'], WorkingDir: '/srv' },
    });
    expect(stored).toMatchObject({
      layout: { kind: 'merged' },
      archiveBytes: rootLayer().length,
      defaults: {
        command: ['/bin/hello'],
        args: ['-x', '$$(A)'],
        env: [
          { name: 'A', value: '2' },
          { name: 'B', value: 'x=y' },
        ],
        workingDir: '/srv',
      },
    });
    expect((await lstat(join(root, 'usr/bin/hello'))).mode & 0o7777).toBe(0o4755);
    expect(await readlink(join(root, 'bin'))).toBe('usr/bin');
    expect(await readdir(ports.paths.staging)).toEqual([]);
  });

  test('of five layers, plain and compressed, is put together in their order', async () => {
    const layers = [
      rootLayer(),
      { bytes: compress('gzip', tar([file('usr/a', '1'), file('usr/b', '1')])), mediaType: `${types.layer}+gzip` },
      { bytes: compress('zstd', tar([file('usr/b', '2'), file('usr/c', '2')])), mediaType: `${types.layer}+zstd` },
      tar([file('usr/c', '3')]),
      {
        bytes: compress('gzip', tar([directory('srv', 0o750), file('usr/d', '4')])),
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      },
    ];
    const { root } = await fetched({ layers });
    const read = (name: string) => readFile(join(root, 'usr', name), 'utf8');
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(read))).toEqual(['1', '2', '3', '4']);
    expect((await lstat(join(root, 'srv'))).mode & 0o777).toBe(0o750);
  });

  test('with a layer of two archives after a skippable frame has all of both, and what the second one removes is gone', async () => {
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const parts = [tar([file('usr/b', '1')]), tar([file('usr/.wh.a'), file('usr/c', '2')])];
    const bytes = Buffer.concat([skippable, ...parts.map((it) => compress('zstd', it))]);
    const layers = [rootLayer(), tar([file('usr/a')]), { bytes, mediaType: `${types.layer}+zstd` }];
    const { root } = await fetched({ layers });
    const names = await readdir(join(root, 'usr'));
    expect(names).toEqual(expect.arrayContaining(['b', 'c']));
    expect(names).not.toContain('a');
  });

  test('whose layers have links, files and volumes on top is stored with what containers get of them', async () => {
    const layer = tar([
      { name: 'srv/upload/', type: 'directory' },
      { name: 'lib64', type: 'symlink', link: 'usr/lib' },
      { name: 'entrypoint.sh', content: '#!/bin/sh\n' },
    ]);
    const config = { User: 'web', StopSignal: 'QUIT', Volumes: { '/srv/upload': {}, '/usr/x': {} } };
    const { stored } = await fetched({ layers: [rootLayer(), layer], config });
    expect(stored.defaults).toEqual({ user: 'web', stopSignal: 'SIGQUIT', volumes: ['/srv/upload', '/usr/x'] });
    expect(stored.layout).toMatchObject({
      kind: 'split',
      links: [
        { name: 'bin', target: 'usr/bin', type: 'Directory' },
        { name: 'lib64', target: 'usr/lib', type: 'Directory' },
      ],
      files: ['entrypoint.sh'],
      volumes: ['/srv/upload'],
    });
  });

  test('may be a bundle, whose defaults win over those of the configuration', async () => {
    const bundle = { os: 'debian-12', version: 'v1', defaults: { command: ['/bin/bundle'] } };
    const layer = tar([file('mount.sh', 'echo bundle'), file('bundle.json', JSON.stringify(bundle))]);
    const { stored } = await fetched({ layers: [rootLayer('root/'), layer], config: { Entrypoint: ['/bin/oci'] } });
    expect(stored).toMatchObject({ hasMountScript: true, defaults: { command: ['/bin/bundle'] } });
  });

  test('tells how far it is, of all layers', async () => {
    const { host } = shared;
    const layers = [rootLayer(), tar([file('usr/a')])];
    const digest = await pushImage(host, 'os', { layers });
    const { ports } = await portsWith();
    const seen: FetchProgress[] = [];
    const image = wantedOci({ reference: `${host}/os`, digest, plainHTTP: true });
    await fetchImage(image, ports, signal, (progress) => seen.push({ ...progress }));
    const bytes = layers.reduce((sum, { length }) => sum + length, 0);
    expect(seen.at(-1)).toEqual({ downloadedBytes: bytes, totalBytes: bytes });
  });

  describe('with whiteouts', () => {
    const lower = tar([
      directory('usr/lib/d/'),
      file('usr/lib/d/one'),
      file('usr/lib/d/two'),
      file('usr/lib/x\ny'),
      file('usr/lib/caf\xe9'),
      file('usr/lib/back\\slash'),
      file('usr/lib/ends in space '),
      file('usr/lib/kept'),
    ]);

    test('loses files and directories of the layers below, whatever their names', async () => {
      const names = ['d', 'x\ny', 'caf\xe9', 'back\\slash', 'ends in space ', 'never there'];
      const layer = tar(names.map((name) => file(`usr/lib/.wh.${name}`, '')));
      const { root } = await fetched({ layers: [rootLayer(), lower, layer] });
      expect(await readdir(join(root, 'usr/lib'))).toEqual(['kept']);
    });

    test('keeps what the same layer has, in whichever order it comes', async () => {
      const entries = [file('usr/lib/d/new'), file('usr/lib/d/.wh..wh..opq', ''), file('usr/lib/.wh.kept', '')];
      const kept = file('usr/lib/kept', 'again');
      for (const ordered of [
        [...entries, kept],
        [kept, ...entries.toReversed()],
      ]) {
        const { root } = await fetched({ layers: [rootLayer(), lower, tar(ordered)] });
        expect(await readdir(join(root, 'usr/lib/d'))).toEqual(['new']);
        expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('again');
      }
    });

    test('in its lowest layer has nothing of them', async () => {
      const { root } = await fetched({
        layers: [tar([directory('usr/'), directory('bin/'), file('bin/.wh.x', ''), file('.wh.usr', '')])],
      });
      expect(await readdir(root)).toEqual(['bin', 'usr']);
      expect(await readdir(join(root, 'bin'))).toEqual([]);
    });

    test('FROM scratch is stored when the program of its configuration is in it', async () => {
      const config = { Entrypoint: ['/server'], User: '65532' };
      const { root, stored } = await fetched({ layers: [tar([file('server', 'x')])], config });
      expect(await readdir(root)).toEqual(['server']);
      expect(stored.layout).toEqual({ kind: 'split', directories: [], files: ['server'], overlayBytes: {} });
    });

    test('may be emptied as a whole and filled again', async () => {
      const { root } = await fetched({
        layers: [lower, tar([file('.wh..wh..opq', ''), directory('bin/'), directory('etc/')])],
      });
      expect(await readdir(root)).toEqual(['bin', 'etc']);
    });

    test('loses all of a directory of any size, and of one in it, and remembers none of it', async () => {
      const many = Array.from({ length: 5000 }, (_, i) => file(`usr/lib/many/${'n'.repeat(200)}${i}`, ''));
      const layers = [
        rootLayer(),
        tar([...many, directory('usr/lib/many/in/'), file('usr/lib/many/in/it')]),
        tar([{ name: 'usr/lib/many/link', type: 'symlink', link: 'in' }]),
      ];
      const emptied = [file('usr/lib/many/.wh..wh..opq', ''), file('usr/lib/many/in/.wh..wh..opq', '')];
      const { root } = await fetched({ layers: [...layers, tar([...emptied, file('usr/lib/many/link/new')])] });
      expect(await readdir(join(root, 'usr/lib/many'))).toEqual(['link']);
      expect(await readdir(join(root, 'usr/lib/many/link'))).toEqual(['new']);
    });

    test('never loses anything through a link', async () => {
      const layers = [
        rootLayer(),
        tar([file('usr/lib/kept')]),
        tar([{ name: 'srv/l', type: 'symlink', link: '../usr/lib' }]),
      ];
      const { root } = await fetched({
        layers: [...layers, tar([file('srv/l/.wh.kept', ''), file('srv/l/.wh..wh..opq', '')])],
      });
      expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('usr/lib/kept');
    });

    test.each(['usr/.wh...', 'usr/.wh..', 'usr/.wh.', '../.wh.x', 'usr/../../.wh.x'])('%s is refused', async (name) => {
      expect(await reasonFor({ layers: [rootLayer(), tar([file(name, '')])] })).toBe('UnsafeArchive');
    });
  });

  describe('whose upper layers', () => {
    test('replace a directory by a file or a link, and the other way round', async () => {
      const lower = tar([
        file('usr/a/x'),
        file('usr/b/x'),
        file('usr/c'),
        { name: 'usr/d', type: 'symlink', link: '/etc' },
        { name: 'usr/e', type: 'symlink', link: '../etc/os-release' },
      ]);
      const upper = tar([
        file('usr/a', 'file'),
        { name: 'usr/b', type: 'symlink', link: 'a' },
        file('usr/d/inside'),
        directory('usr/d/'),
        directory('usr/c/'),
        file('usr/e', 'mine'),
      ]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect(await readFile(join(root, 'usr/a'), 'utf8')).toBe('file');
      expect(await readlink(join(root, 'usr/b'))).toBe('a');
      expect((await lstat(join(root, 'usr/c'))).isDirectory()).toBe(true);
      expect(await readdir(join(root, 'usr/d'))).toEqual(['inside']);
      expect(await readFile(join(root, 'etc/os-release'), 'utf8')).toBe('ID=test\n');
      await gone(join(root, 'etc/inside'));
    });

    test('have hard links into the lower ones', async () => {
      const { root } = await fetched({
        layers: [rootLayer(), tar([{ name: 'usr/lib/h', type: 'hardlink', link: 'usr/bin/hello' }])],
      });
      const [one, other] = await Promise.all(['usr/lib/h', 'usr/bin/hello'].map((name) => lstat(join(root, name))));
      expect(one?.ino).toBe(other?.ino);
    });

    test('change one name of a file and leave the others', async () => {
      const lower = tar([file('usr/one', 'old'), { name: 'usr/two', type: 'hardlink', link: 'usr/one' }]);
      const { root } = await fetched({ layers: [rootLayer(), lower, tar([file('usr/one', 'new')])] });
      expect(await readFile(join(root, 'usr/two'), 'utf8')).toBe('old');
    });

    test('write through a link of a lower one that leads up and out: refused', async () => {
      const lower = tar([{ name: 'l', type: 'symlink', link: '../../../../../../../../tmp' }]);
      expect(await reasonFor({ layers: [rootLayer(), lower, tar([file('l/evil')])] })).toBe('UnsafeArchive');
    });

    test.each<[string, string, string]>([
      ['to an absolute place', '/tmp', 'tmp/inside'],
      ['within the root', 'etc', 'etc/inside'],
      ['to what is not there', 'srv/new', 'srv/new/inside'],
    ])('write through a link of a lower one, %s: stored there, as containerd does', async (_name, link, path) => {
      const lower = tar([{ name: 'l', type: 'symlink', link }]);
      const upper = tar([file('l/inside', 'inside'), { name: 'usr/lib/h', type: 'hardlink', link: 'l/inside' }]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect(await readlink(join(root, 'l'))).toBe(link);
      expect(await readFile(join(root, path), 'utf8')).toBe('inside');
      expect((await lstat(join(root, 'usr/lib/h'))).nlink).toBe(2);
    });

    test('replace through a link what is of another kind, and write beside a link that they replace', async () => {
      const lower = tar([
        { name: 'l', type: 'symlink', link: 'usr/lib' },
        file('usr/lib/kind'),
        file('usr/lib/kept'),
        { name: 'm', type: 'symlink', link: 'usr/lib' },
      ]);
      const upper = tar([directory('l/kind/'), directory('m/'), file('m/kept', 'mine')]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect((await lstat(join(root, 'usr/lib/kind'))).isDirectory()).toBe(true);
      expect((await lstat(join(root, 'm'))).isDirectory()).toBe(true);
      expect(await readFile(join(root, 'm/kept'), 'utf8')).toBe('mine');
      expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('usr/lib/kept');
    });

    test.each<[string, TarEntry]>([
      ['a name with ..', file('../evil')],
      ['a hard link to above', { name: 'h', type: 'hardlink', link: '../../image.json' }],
      ['a device outside of dev', { name: 'usr/sda', type: 'block', device: [8, 0] }],
    ])('hold %s: refused', async (_name, entry) => {
      expect(await reasonFor({ layers: [rootLayer(), tar([entry])] })).toBe('UnsafeArchive');
    });
  });

  describe('by an index', () => {
    test('is the one for the node', async () => {
      const { host } = shared;
      const amd64 = await pushImage(host, 'os', { layers: [rootLayer()] });
      const arm64 = await pushImage(host, 'os', { layers: [rootLayer()], architecture: 'arm64' });
      const both = await pushIndex(host, 'os', {
        'linux/arm64': arm64,
        'linux/amd64': amd64,
        'unknown/unknown': amd64,
      });
      const other = await pushIndex(host, 'os', { 'linux/arm64': arm64 });
      const { ports } = await portsWith();
      const source = { reference: `${host}/os`, plainHTTP: true };
      const stored = await fetchImage(wantedOci({ ...source, digest: both }), ports, signal);
      expect(stored.digest).toBe(both);
      const { ports: others } = await portsWith();
      const { reason, message } = await failure(wantedOci({ ...source, digest: other }), others);
      expect([reason, message]).toEqual(['ArchitectureMismatch', expect.stringContaining('linux/arm64')]);
      expect((await failure(wantedOci({ ...source, digest: arm64 }), others)).reason).toBe('ArchitectureMismatch');
    });
  });

  test.each<[string, TestImage, string]>([
    ['without layers', { layers: [] }, 'UnsupportedImage'],
    ['for another operating system', { layers: [rootLayer()], os: 'windows' }, 'UnsupportedImage'],
    [
      'with a layer of another kind',
      { layers: [{ bytes: rootLayer(), mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' }] },
      'UnsupportedImage',
    ],
    ['with a lowest layer that is no archive', { layers: [Buffer.from('no archive')] }, 'UnsupportedArchive'],
    ['with a layer that is no archive', { layers: [rootLayer(), Buffer.from('no archive')] }, 'UnsupportedArchive'],
    [
      'with a truncated layer',
      { layers: [rootLayer(), compress('gzip', rootLayer()).subarray(0, -20)] },
      'TruncatedArchive',
    ],
    ['without a root', { layers: [tar([file('readme')])] }, 'NoRootFileSystem'],
  ])('%s is refused', async (_name, image, reason) => expect(await reasonFor(image)).toBe(reason));

  test('that is not there is reported as such, and so is a registry that is not there', async () => {
    const { host } = shared;
    const { ports } = await portsWith();
    const { digest } = desiredImage();
    const of = (at: string) => failure(wantedOci({ reference: `${at}/os:v1`, digest, plainHTTP: true }), ports);
    expect((await of(host)).reason).toBe('ManifestUnknown');
    expect((await of('127.0.0.1:1')).reason).toBe('UnreachableSource');
  });

  describe('in a registry that wants a login', () => {
    const dockerConfig = (host: string, password = user.password) => ({
      '.dockerconfigjson': JSON.stringify({
        auths: { [host]: { auth: Buffer.from(`${user.username}:${password}`).toString('base64') } },
      }),
    });
    /** A registry with an image that only serves those who log in. */
    async function closed(changes: RegistryChanges) {
      const digest = await pushImage(shared.host, 'os', { layers: [rootLayer(), tar([file('usr/a')])] });
      const { host } = await start(changes);
      return { host, source: { reference: `${host}/os:v1`, digest, plainHTTP: true, pullSecretRef: { name: 'pull' } } };
    }
    const { username, password } = user;

    test.each<[string, (host: string) => Record<string, string>]>([
      ['a pull secret of a Pod', (host) => dockerConfig(host)],
      [
        'an old pull secret',
        (host) => ({ '.dockercfg': JSON.stringify({ [`https://${host}`]: { username, password } }) }),
      ],
      ['a user name and a password', () => ({ username, password })],
    ])('(basic) is fetched with %s', async (_name, secret) => {
      const { host, source } = await closed({ basic: true });
      const { ports } = await portsWith({ secrets: { pull: secret(host) } });
      expect(await fetchImage(wantedOci(source), ports, signal)).toMatchObject({ digest: source.digest });
    });

    test.each<[string, (host: string) => Record<string, string> | undefined, string]>([
      ['a wrong password', (host) => dockerConfig(host, 'falsch'), 'Unauthorized'],
      ['no Secret', () => undefined, 'SecretMissing'],
      ['a Secret for another registry', () => dockerConfig('example.com'), 'SecretMissing'],
      ['a Secret that is no configuration', () => ({ '.dockerconfigjson': '{geheim' }), 'SecretMissing'],
      ['a Secret of other keys', () => ({ token: 'geheim' }), 'SecretMissing'],
    ])('(basic) is refused with %s', async (_name, secret, reason) => {
      const { host, source } = await closed({ basic: true });
      const values = secret(host);
      const { ports } = await portsWith(values ? { secrets: { pull: values } } : {});
      const { reason: told, message } = await failure(wantedOci(source), ports);
      expect(told).toBe(reason);
      expect(message).not.toMatch(/geheim|falsch/);
    });

    test('(basic) is refused without a Secret, and told which field to set', async () => {
      const { source } = await closed({ basic: true });
      const { reference, digest } = source;
      const { ports } = await portsWith();
      const told = await failure(wantedOci({ reference, digest, plainHTTP: true }), ports);
      expect([told.reason, told.message]).toEqual(['Unauthorized', expect.stringContaining('pullSecretRef')]);
    });

    test('(token) is fetched by a user, by a refresh token, and by everybody where that is allowed', async () => {
      const server = await startTokenServer({ anonymous: true });
      const { host, source } = await closed({ token: server });
      const { reference, digest } = source;
      const refresh = { auths: { [host]: { auth: 'MDA6', identitytoken: 'refresh' } } };
      const secrets = { pull: dockerConfig(host), refresh: { '.dockerconfigjson': JSON.stringify(refresh) } };
      for (const oci of [
        source,
        { ...source, pullSecretRef: { name: 'refresh' } },
        { reference, digest, plainHTTP: true },
      ]) {
        const { ports } = await portsWith({ secrets });
        expect(await fetchImage(wantedOci(oci), ports, signal)).toMatchObject({ digest });
      }
      expect(new Set(server.asked)).toEqual(
        new Set(['GET repository:os:pull as u', 'POST repository:os:pull as u', 'GET repository:os:pull as nobody']),
      );
    });

    test('(token) is refused with a wrong password or none', async () => {
      const { host, source } = await closed({ token: await startTokenServer() });
      const { reference, digest } = source;
      const { ports } = await portsWith({ secrets: { pull: dockerConfig(host, 'falsch') } });
      expect((await failure(wantedOci(source), ports)).reason).toBe('Unauthorized');
      expect((await failure(wantedOci({ reference, digest, plainHTTP: true }), ports)).reason).toBe('Unauthorized');
    });
  });

  test('comes over TLS when its authority is named, and not otherwise', async () => {
    const tls = selfSigned();
    const digest = await pushImage(shared.host, 'os', { layers: [rootLayer()] });
    const { host } = await start({ tls });
    const secrets = { ca: { 'ca.crt': tls.cert } };
    const { ports } = await portsWith({ secrets });
    const source = { reference: `${host}/os:v1`, digest };
    expect((await failure(wantedOci(source), ports)).reason).toBe('CertificateUntrusted');
    expect(await fetchImage(wantedOci({ ...source, caRef: { name: 'ca' } }), ports, signal)).toMatchObject({ digest });
  });

  describe('through something between the agent and its registry', () => {
    const noise = (bytes: number) => Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7919) % 251));
    /** The second layer is big enough to be cut. */
    const image = () => ({ layers: [rootLayer(), tar([{ name: 'usr/big', content: noise(300_000) }])] });

    async function behind(meddle?: Meddle) {
      const { host } = shared;
      const digest = await pushImage(host, 'os', image());
      return { host, digest, relay: await startRelay(host, meddle) };
    }
    async function get(host: string, digest: string, mirrors: string[]) {
      const { ports, warnings } = await portsWith({ mirrors: { [host]: mirrors } });
      const result = await fetchImage(
        wantedOci({ reference: `${host}/os:v1`, digest, plainHTTP: true }),
        ports,
        signal,
      );
      return { result, warnings, ports };
    }

    test('that cuts a layer off goes on where it stopped', async () => {
      let cut: (() => void) | undefined;
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (cut || !request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        cut = () => response.destroy();
        return true;
      });
      const { ports } = await portsWith();
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      const seen: number[] = [];
      await fetchImage(wantedOci(oci), ports, signal, ({ downloadedBytes }) => {
        seen.push(downloadedBytes);
        if (downloadedBytes > rootLayer().length) cut?.();
      });
      expect(relay.asked.filter((url) => / bytes=[1-9][0-9]*-$/.test(url))).toHaveLength(1);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    });

    test('that mirrors it is asked, and the registry is not', async () => {
      const { host, digest, relay } = await behind();
      const registry = await startRelay(host);
      // A registry that the mirror knows and no one else.
      const { ports, warnings } = await portsWith({ mirrors: { [registry.host]: [`http://${relay.host}`] } });
      await fetchImage(wantedOci({ reference: `${registry.host}/os`, digest, plainHTTP: true }), ports, signal);
      expect(warnings).toEqual([]);
      expect(registry.asked).toEqual([]);
      expect(relay.asked.filter((url) => url.includes(`/blobs/`)).every((url) => url.includes('?ns='))).toBe(true);
    });

    test('that mirrors others under a path gets it before the name', async () => {
      const { host } = shared;
      const digest = await pushImage(host, 'cache/os', image());
      const { result, warnings } = await get('registry.invalid:80', digest, [`http://${host}/cache/`]);
      expect([result.digest, warnings]).toEqual([digest, []]);
    });

    test.each<[string, Meddle]>([
      ['is dead', (request) => (request.destroy(), true)],
      ['has nothing', (_request, response) => (response.writeHead(404).end(), true)],
      ['wants a login', (_request, response) => (response.writeHead(401).end(), true)],
      [
        'has other bytes',
        (request, response) => {
          if (!request.url?.includes('/blobs/')) return false;
          response.end(noise(50_000));
          return true;
        },
      ],
      [
        'has a lowest layer that is not it',
        (request, response) => {
          if (!request.url?.includes(digestOf(rootLayer()))) return false;
          response.end(tar([file('usr/evil'), file('evil')]));
          return true;
        },
      ],
    ])('that is a mirror and %s leaves it to the registry', async (_name, meddle) => {
      const { host, digest, relay } = await behind(meddle);
      const { result, warnings, ports } = await get(host, digest, [`http://${relay.host}`, 'http://127.0.0.1:1']);
      expect(warnings.join('\n')).toContain(`Mirror ${relay.host} of ${host} was of no use`);
      const root = join(entryPath(ports.paths, result), 'root');
      expect(await readdir(root)).not.toContain('evil');
      expect(await readdir(join(root, 'usr'))).toEqual(['big', 'bin', 'lib']);
    });

    test('that gives other bytes and is the registry itself is reported as such', async () => {
      const { digest, relay } = await behind((request, response) => {
        if (!request.url?.includes(digestOf(image().layers[1] ?? Buffer.alloc(0)))) return false;
        const other = Buffer.from(image().layers[1] ?? '').fill(7, 1000, 1001);
        response.end(other);
        return true;
      });
      const { ports } = await portsWith();
      const source = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      expect((await failure(wantedOci(source), ports)).reason).toBe('DigestMismatch');
    });

    test('is not sought when the list of mirrors is not valid, which is reported', async () => {
      const { host, digest } = await behind();
      const { result, warnings } = await get(host, digest, ['ftp://mirror']);
      expect(result.digest).toBe(digest);
      expect(warnings.join('\n')).toMatch(/not valid.*http/s);
    });

    test('is not waited for when the disk becomes full meanwhile', async () => {
      let freeBytes = 2 ** 33;
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (!request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        freeBytes = 1;
        return true;
      });
      const { ports } = await portsWith();
      const reservations = new DiskReservations(
        () => Promise.resolve({ totalBytes: 2 ** 34, freeBytes, totalInodes: 1e6, freeInodes: 1e6 }),
        { bytes: 2 ** 20 },
      );
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      expect((await failure(wantedOci(oci), { ...ports, reservations })).reason).toBe('NoSpace');
    });

    test('that stops sending ends with the fetch, and nothing is left', async () => {
      const stop = new AbortController();
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (!request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        stop.abort(new Error('stopped'));
        return true;
      });
      const { ports } = await portsWith();
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      await expect(fetchImage(wantedOci(oci), ports, stop.signal)).rejects.toThrow('stopped');
      await expectNothingLeft(ports);
    });
  });
});

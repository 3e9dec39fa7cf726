import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { binaryDirectory } from '../../test/fixtures/binaries.ts';
import { buildAnswer } from '../api/buildrun.ts';
import type { Build } from '../api/build.ts';
import type { Recipe } from '../api/buildrun.ts';
import { compress, rootEntries, sha256, tar } from '../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { pushImage, rootLayer, startRegistry, user } from '../../test/fixtures/agent/registry.ts';
import { selfSigned } from '../../test/fixtures/agent/tls.ts';
import { buildAndPush } from './build.ts';
import {
  ask,
  baseArchive,
  fakeSyft,
  recipeOf,
  serveBase,
  whyNoBuilding,
  workshop,
  useRegistry,
} from '../../test/fixtures/builder.ts';

const unable = whyNoBuilding();
const indexType = 'application/vnd.oci.image.index.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

interface Manifest {
  config: { digest: string };
  layers: { digest: string; size: number; mediaType: string }[];
  artifactType?: string;
  subject?: { digest: string };
}

describe.skipIf(unable)(unable ? `a build (skipped: ${unable})` : 'a build', { timeout: 120_000 }, () => {
  const registry = useRegistry();

  const build = async (of: Partial<Build>, rest: Partial<Recipe> = {}, shop = workshop({}, fakeSyft())) =>
    buildAndPush(recipeOf({ repository: `${registry.host}/os`, ...of }, rest), shop.ports);
  const manifestOf = async (digest: string, repository = 'os/testing/tiny') =>
    (await ask(registry.host, `${repository}/manifests/${digest}`, manifestType)) as Manifest;

  /** Unpacks the layer of an image that was pushed; gives the directory. */
  async function unpacked(digest: string): Promise<string> {
    const { layers } = await manifestOf(digest);
    const [layer] = layers;
    if (!layer || layers.length !== 1) throw new Error(`There are ${layers.length} layers`);
    const answer = await fetch(`http://${registry.host}/v2/os/testing/tiny/blobs/${layer.digest}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(`sha256:${sha256(bytes)}`).toBe(layer.digest);
    const directory = temporaryDirectory();
    const plain = execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer: 1 << 28 });
    execFileSync('tar', ['-x', '-C', directory, '--numeric-owner'], { input: plain });
    return directory;
  }

  test('of a tarball, files and commands is an image in the testing repository', async () => {
    const shop = workshop({}, fakeSyft());
    const base = await serveBase(compress('zstd', baseArchive()));
    const answer = await build(
      {
        from: base,
        files: [{ path: '/etc/motd', content: 'hello\n', mode: '0640', owner: 'www:web' }],
        run: ['echo "$(cat /etc/motd) $(id -u)" >/srv/said', 'mkdir /srv/made && chown 33:44 /srv/made'],
      },
      {
        defaults: {
          command: ['/bin/sh'],
          args: ['-c', 'echo $$(date)'],
          env: [{ name: 'A', value: 'b' }],
          workingDir: '/srv',
        },
      },
      shop,
    );
    expect(buildAnswer.safeParse(answer).success).toBe(true);
    const root = await unpacked(answer.digest);
    expect(readFileSync(join(root, 'srv/said'), 'utf8')).toBe('hello 0\n');
    const manifest = await manifestOf('v1');
    expect(manifest.layers).toMatchObject([
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', size: answer.bundleBytes },
    ]);
    expect(await ask(registry.host, `os/testing/tiny/blobs/${manifest.config.digest}`)).toMatchObject({
      created: '2024-01-01T00:00:00Z',
      architecture: 'amd64',
      os: 'linux',
      config: { Entrypoint: ['/bin/sh'], Cmd: ['-c', 'echo $(date)'], Env: ['A=b'], WorkingDir: '/srv' },
    });
    expect(shop.lines.filter((line) => line.startsWith('==>') && line.includes('4 of 9'))).toEqual([
      '==> Step 4 of 9: files: 1 file',
      expect.stringMatching(/^==> Step 4 of 9: files: done in \d\.\d s$/),
    ]);
    expect(readdirSync(shop.ports.work)).not.toContain('build');
  });

  test('made twice has the same digest, whenever and wherever that is', async () => {
    const archive = compress('gzip', baseArchive());
    const of = {
      files: [{ path: '/etc/motd', content: 'x', mode: '0644', owner: 'root:root' }],
      run: ['date >/tmp/now; date >/var/log/dpkg.log; date >/var/log/app.log; mkdir -p /srv/a && touch /srv/a/b'],
    };
    const first = await build({ from: await serveBase(archive), ...of }, {}, workshop());
    const second = await build({ from: await serveBase(archive), ...of }, {}, workshop());
    expect(second).toEqual(first);
    const another = await build({ from: await serveBase(archive), ...of, sourceDateEpoch: 1_600_000_000 });
    expect(another.digest).not.toBe(first.digest);
  });

  test('lists the packages of the image beside it, and says which image that is', async () => {
    const installed =
      'Package: hello\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\nMaintainer: x <x@example.org>\n';
    const base = baseArchive((root) => {
      execFileSync('mkdir', ['-p', join(root, 'var/lib/dpkg')]);
      writeFileSync(join(root, 'var/lib/dpkg/status'), installed);
      writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID=12\n');
    });
    const { digest, packages, sbomDigest = '' } = await build({ from: await serveBase(base) }, {}, workshop());
    const list = await manifestOf(sbomDigest);
    expect(list).toMatchObject({ artifactType: 'application/spdx+json', subject: { digest } });
    const spdx = (await ask(registry.host, `os/testing/tiny/blobs/${list.layers[0]?.digest ?? ''}`)) as {
      packages: { name: string; versionInfo: string }[];
    };
    expect(spdx.packages).toContainEqual(expect.objectContaining({ name: 'hello', versionInfo: '1.2-3' }));
    expect(packages).toBe(spdx.packages.length - 1);
    // What a registry without the API of referrers has instead.
    const index = await ask(registry.host, `os/testing/tiny/manifests/${digest.replace(':', '-')}`, indexType);
    expect(index).toMatchObject({ manifests: [{ digest: sbomDigest, artifactType: 'application/spdx+json' }] });
  });

  test('with a mount script is a bundle, which has the script wherever it is used', async () => {
    const from = await serveBase(baseArchive());
    const { digest } = await build({ from }, { mountScript: '#!/bin/sh\n', defaults: { command: ['/bin/sh'] } });
    const directory = await unpacked(digest);
    expect(readdirSync(directory).sort()).toEqual(['bundle.json', 'mount.sh', 'root']);
    expect(JSON.parse(readFileSync(join(directory, 'bundle.json'), 'utf8'))).toEqual({
      os: 'tiny',
      version: 'v1',
      architecture: 'amd64',
      defaults: { command: ['/bin/sh'] },
    });
  });

  test('over a bundle keeps its script and its defaults, unless the recipe has others', async () => {
    const bundle = tar([
      ...rootEntries('root/'),
      { name: 'mount.sh', content: 'echo of the base' },
      {
        name: 'bundle.json',
        content: JSON.stringify({ os: 'other', version: 'v7', defaults: { command: ['/base'] } }),
      },
    ]);
    const from = await serveBase(bundle);
    const kept = await unpacked((await build({ from })).digest);
    expect(readFileSync(join(kept, 'mount.sh'), 'utf8')).toBe('echo of the base');
    expect(readFileSync(join(kept, 'bundle.json'), 'utf8')).toContain('"/base"');
    const own = await unpacked((await build({ from }, { mountScript: 'own', defaults: { args: ['x'] } })).digest);
    expect(readFileSync(join(own, 'mount.sh'), 'utf8')).toBe('own');
    expect(readFileSync(join(own, 'bundle.json'), 'utf8')).not.toContain('"/base"');
  });

  test('over an OCI image has its layers and its configuration', async () => {
    const digest = await pushImage(registry.host, 'bases/tiny', {
      layers: [rootLayer(), tar([{ name: 'etc/second', content: 'second' }])],
      config: { Cmd: ['/bin/hello'] },
    });
    const oci = { reference: `${registry.host}/bases/tiny:v1`, digest, plainHTTP: true };
    const answer = await build({ from: { oci } });
    expect(readFileSync(join(await unpacked(answer.digest), 'etc/second'), 'utf8')).toBe('second');
    const { config } = await manifestOf(answer.digest);
    expect(await ask(registry.host, `os/testing/tiny/blobs/${config.digest}`)).toMatchObject({
      config: { Cmd: ['/bin/hello'] },
    });
  });

  test('pushes with the login and the authorities of its Secrets', async () => {
    const tls = selfSigned();
    const closed = await startRegistry(binaryDirectory(), temporaryDirectory(), { basic: true, tls });
    onTestFinished(closed.stop);
    const of = {
      repository: `${closed.host}/os`,
      plainHTTP: false,
      pushSecretRef: { name: 'push' },
      caRef: { name: 'ca' },
    };
    const from = await serveBase(baseArchive());
    const answer = await build({ from, ...of }, {}, workshop({ push: user, ca: { 'ca.crt': tls.cert } }, fakeSyft()));
    expect(answer.digest).toMatch(/^sha256:/);
    const config = { '.dockerconfigjson': JSON.stringify({ auths: { [closed.host]: user } }) };
    expect(
      await build({ from, ...of }, {}, workshop({ push: config, ca: { 'ca.crt': tls.cert } }, fakeSyft())),
    ).toEqual(answer);

    const failure = async (secrets: Record<string, Record<string, string>>) =>
      build({ from, ...of }, {}, workshop(secrets)).catch((error: unknown) => error);
    const wrong = { ...user, password: 'falsch' };
    expect(await failure({ push: wrong, ca: { 'ca.crt': tls.cert } })).toMatchObject({
      reason: 'Unauthorized',
      message: expect.stringMatching(/pushSecretRef(?!.*falsch)/s) as unknown,
    });
    expect(await failure({ push: user, ca: { 'ca.crt': selfSigned().cert } })).toMatchObject({ reason: 'PushFailed' });
    expect(await failure({ ca: { 'ca.crt': tls.cert } })).toMatchObject({ reason: 'SecretMissing' });
  });

  test.each<[string, string, Partial<Build> | (() => Promise<Partial<Build>>), string]>([
    [
      'a base of another digest',
      'DigestMismatch',
      async () => {
        const { http } = await serveBase(baseArchive());
        return { from: { http: { url: http?.url ?? '', sha256: 'b'.repeat(64) } } };
      },
      'has digest sha256:',
    ],
    ['a base that is not there', 'UnreachableSource', {}, '127.0.0.1:1'],
    [
      'a base that is no root',
      'NoRootFileSystem',
      async () => ({ from: await serveBase(tar([{ name: 'x' }])) }),
      'usr, bin or etc',
    ],
    [
      'a base that leads out',
      'UnsafeArchive',
      async () => ({ from: await serveBase(tar([...rootEntries(), { name: '../../out', content: 'x' }])) }),
      '',
    ],
    [
      'a registry that is not there',
      'PushFailed',
      async () => ({ from: await serveBase(baseArchive()), repository: '127.0.0.1:1/os' }),
      'cannot be read',
    ],
  ])('fails over %s: %s, and leaves nothing behind', async (_name, reason, of, said) => {
    const shop = workshop();
    const given = typeof of === 'function' ? await of() : of;
    const failure = build(given, {}, shop);
    await expect(failure).rejects.toMatchObject({ reason });
    await expect(failure).rejects.toThrow(said);
    expect(existsSync(join(shop.ports.work, 'build'))).toBe(false);
  });

  test('fails with a command, whose last lines are reported, and nothing is pushed', async () => {
    const from = await serveBase(baseArchive());
    const failure = build({ from, run: ['true', 'seq 1 50; echo that was it >&2; exit 3'] }, { version: 'v9' });
    await expect(failure).rejects.toMatchObject({
      reason: 'CommandFailed',
      message: expect.stringMatching(
        /^Command 2 of 2 failed \(seq 1 50; .*\): \/bin\/sh ended with 3; correct source.build.run$/,
      ) as unknown,
    });
    const { lines } = (await failure.catch((error: unknown) => error)) as { lines: string[] };
    expect(lines).toHaveLength(20);
    expect(lines).toContain('50');
    expect(lines).toContain('that was it');
    await expect(ask(registry.host, 'os/testing/tiny/manifests/v9')).rejects.toThrow('404');
  });

  test('for another processor is refused', async () => {
    const architecture = process.arch === 'x64' ? 'arm64' : 'amd64';
    const failure = build({ from: await serveBase(baseArchive()) }, { architecture });
    await expect(failure).rejects.toMatchObject({ reason: 'ArchitectureMismatch' });
  });

  test('ends what a command has left running, before the next command and before the tree is packed', async () => {
    const from = await serveBase(baseArchive());
    const daemon = (path: string) => `sh -c 'while :; do : >${path}; done'`;
    const started = (path: string) => `until [ -e ${path} ]; do :; done`;
    const run = [
      // In the group of the command; in a session of its own; as another user, without a parent.
      `${daemon('/srv/one')} & ${started('/srv/one')}`,
      `busybox setsid ${daemon('/srv/two')} </dev/null >/dev/null 2>&1 & ${started('/srv/two')}`,
      `mkdir /srv/www && chown 33 /srv/www && echo "busybox setsid ${daemon('/srv/www/three')} &" >/srv/start`,
      `(su -s /bin/sh www -c "sh /srv/start" &); ${started('/srv/www/three')}`,
      'rm /srv/one /srv/two /srv/www/three /srv/start; i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done',
    ];
    const { digest } = await build({ from, run });
    const root = await unpacked(digest);
    expect(readdirSync(join(root, 'srv'))).toEqual(['www']);
    expect(readdirSync(join(root, 'srv/www'))).toEqual([]);
  });

  test('fails as a command does that a signal has ended', async () => {
    const from = await serveBase(baseArchive());
    await expect(build({ from, run: ['kill -9 $$'] })).rejects.toThrow(/Command 1 of 1 failed .*SIGKILL/);
    await expect(build({ from, run: ['while :; do :; done & exit 7'] })).rejects.toThrow(
      /Command 1 of 1 failed .*ended with 7/,
    );
  });

  test('runs commands that cannot get out of the tree', async () => {
    const outside = temporaryDirectory();
    const base = baseArchive((root) => symlinkSync(outside, join(root, 'srv/out')));
    const run = [
      `mkdir -p ${outside} && touch /srv/out/file`,
      'mkdir /srv/jail && ! chroot /srv/jail /bin/sh 2>/srv/why',
      '! mount -t tmpfs none /srv/jail 2>>/srv/why',
    ];
    const { digest } = await build({ from: await serveBase(base), run });
    expect(readdirSync(outside)).toEqual([]);
    const why = readFileSync(join(await unpacked(digest), 'srv/why'), 'utf8')
      .trim()
      .split('\n');
    expect(why).toEqual([expect.stringContaining('not permitted'), expect.stringMatching(/denied|not permitted/)]);
  });
});

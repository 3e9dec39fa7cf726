import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { describe, expect, onTestFinished, test } from 'vitest';
import { binaryDirectory } from '../../../test/fixtures/binaries.ts';
import { ask, baseArchive, serveBase, whyNoBuilding } from '../../../test/fixtures/builder.ts';
import { sha256 } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { startRegistry, user } from '../../../test/fixtures/agent/registry.ts';
import type { Host } from '../host.ts';
import { runForTest } from '../../../test/fixtures/cli.ts';
import { bundleBuild } from './bundle-build.ts';

const unable = whyNoBuilding();
const path = `${process.env['PATH'] ?? ''}:${binaryDirectory()}`;
const root = { system: { platform: 'linux', arch: process.arch, uid: 0 }, env: { PATH: path } };

const run = (argv: string[], changes: Partial<Host> = {}) =>
  runForTest(['bundle', 'build', ...argv], [bundleBuild], { ...root, ...changes });

function write(...documents: unknown[]): string {
  const file = join(temporaryDirectory(), 'image.yaml');
  writeFileSync(file, documents.map((it) => dump(it)).join('---\n'));
  return file;
}

const image = (build: object, spec: object = {}) => ({
  apiVersion: 'monoroot.dev/v1alpha1',
  kind: 'OSImage',
  metadata: { name: 'tiny.v1' },
  spec: { os: 'tiny', version: 'v1', source: { build: { repository: 'localhost/os', ...build } }, ...spec },
});

describe.skipIf(unable)(unable ? `bundle build (skipped: ${unable})` : 'bundle build', { timeout: 120_000 }, () => {
  test('writes bundle, SHA-256 and list of packages of an OSImage, and says what to apply', async () => {
    const from = await serveBase(baseArchive());
    const files = [{ path: '/etc/motd', content: 'hello\n' }];
    const file = write(
      { kind: 'ConfigMap' },
      image({ from, files }, { mountScript: 'echo', defaults: { command: ['/bin/sh'] } }),
    );
    const output = join(temporaryDirectory(), 'images');
    const ran = await run([file, '--output', output]);
    expect(ran).toMatchObject({ code: 0 });
    expect(readdirSync(output).sort()).toEqual(['tiny-v1.spdx.json', 'tiny-v1.tar.zst', 'tiny-v1.tar.zst.sha256']);

    const bundle = join(output, 'tiny-v1.tar.zst');
    const sum = sha256(readFileSync(bundle));
    expect(readFileSync(`${bundle}.sha256`, 'utf8')).toBe(`${sum}  tiny-v1.tar.zst\n`);
    expect(ran.stdout).toBe(
      `source:\n  http:\n    url: https://images.example.com/tiny-v1.tar.zst # where you put it\n    sha256: ${sum}\n`,
    );
    const list = execFileSync('tar', ['-tf', bundle], { encoding: 'utf8' }).split('\n');
    expect(list).toEqual(expect.arrayContaining(['bundle.json', 'mount.sh', 'root/etc/motd']));
    expect(JSON.parse(readFileSync(join(output, 'tiny-v1.spdx.json'), 'utf8'))).toMatchObject({
      spdxVersion: 'SPDX-2.3',
    });
    expect(ran.stderr).toMatch(/done 3\/7 files: 1 file \(\d/);
  });

  test('builds the same bytes again, also for somebody with another umask', async () => {
    const recipe = {
      os: 'tiny',
      version: 'v2',
      build: { from: await serveBase(baseArchive()), run: ['mkdir -p /srv/a/b'] },
    };
    const outputs = [temporaryDirectory(), temporaryDirectory()];
    for (const [i, output] of outputs.entries()) {
      const before = process.umask(i === 0 ? 0o022 : 0o077);
      onTestFinished(() => void process.umask(before));
      expect(await run([write(recipe), '--output', output])).toMatchObject({ code: 0 });
    }
    const [first, second] = outputs.map((output) => readFileSync(join(output, 'tiny-v2.tar.zst')));
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
  });

  test('pushes what a Job would push, with the login of docker login', async () => {
    const registry = await startRegistry(binaryDirectory(), temporaryDirectory(), { basic: true });
    onTestFinished(registry.stop);
    const auth = Buffer.from(`${user.username}:${user.password}`).toString('base64');
    const config = temporaryDirectory();
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const build = {
      from: await serveBase(baseArchive()),
      repository: `${registry.host}/os`,
      pushSecretRef: { name: 'x' },
    };
    const argv = [write(image(build)), '--push', '--plain-http', '--output', temporaryDirectory()];
    const ran = await run(argv, { env: { PATH: path, DOCKER_CONFIG: config } });
    expect(ran.stderr).not.toContain('Error');
    expect(ran).toMatchObject({ code: 0 });
    const reference = `reference: ${registry.host}/os/testing/tiny:v1`;
    expect(ran.stdout).toMatch(
      new RegExp(`^source:\n  oci:\n    ${reference}\n    digest: sha256:[0-9a-f]{64}\n    plainHTTP: true\n$`),
    );
    await expect(ask(registry.host, 'os/testing/tiny/tags/list')).rejects.toThrow('401');

    const refused = await run(argv, { env: { PATH: path, DOCKER_CONFIG: temporaryDirectory() } });
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Unauthorized') as unknown });
  });

  test('tells the last lines of what failed, and leaves what was there', async () => {
    const output = temporaryDirectory();
    writeFileSync(join(output, 'tiny-v1.tar.zst'), 'of before');
    const build = { from: await serveBase(baseArchive()), run: ['echo that was it; exit 3'] };
    const ran = await run([write(image(build)), '--output', output]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/Error: CommandFailed: Command 1 of 1 failed[^]*\n {4}that was it\n/);
    expect(readdirSync(output)).toEqual(['tiny-v1.tar.zst']);
    expect(readFileSync(join(output, 'tiny-v1.tar.zst'), 'utf8')).toBe('of before');
  });
});

const from = { debootstrap: { suite: 'bookworm', mirror: 'http://mirror.example/debian' } };

test.each<[string, unknown[], Partial<Host>, RegExp]>([
  [
    'a machine without Linux',
    [image({ from })],
    { system: { platform: 'darwin', arch: process.arch, uid: 0 } },
    /built on Linux, and this is darwin/,
  ],
  [
    'somebody who is not root',
    [image({ from })],
    { system: { platform: 'linux', arch: process.arch, uid: 1000 } },
    /takes root.*use sudo/,
  ],
  [
    'an image that is not built',
    [{ kind: 'OSImage', spec: { os: 'a', version: 'b', source: { http: {} } } }],
    {},
    /neither an OSImage/,
  ],
  ['several images', [image({ from }), image({ from })], {}, /has 2 recipes/],
  ['a recipe that is not valid', [image({ from: { debootstrap: { suite: 'X' } } })], {}, /not valid[^]*suite/],
  [
    'a recipe with two bases',
    [image({ from: { ...from, http: { url: 'http://a/b', sha256: '0'.repeat(64) } } })],
    {},
    /exactly one base/,
  ],
  [
    'a path with dots',
    [image({ from, files: [{ path: '/etc/../x', content: '' }] })],
    {},
    /must not have \. or \.\. in it/,
  ],
])('%s is reported before anything is done', async (_name, documents, changes, said) => {
  const ran = await run([write(...documents), '--output', '/proc/nowhere'], changes);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(said);
});

test('programs that are missing are named with their packages', async () => {
  const bin = temporaryDirectory();
  for (const name of ['tar', 'zstd']) {
    writeFileSync(join(bin, name), '');
    chmodSync(join(bin, name), 0o755);
  }
  mkdirSync(join(bin, 'capsh'));
  const file = write(image({ from, packages: { install: ['nginx'] } }));
  const ran = await run([file, '--push', '--output', '/proc/nowhere'], { env: { PATH: bin } });
  expect(ran.stderr).toContain(
    'This takes mmdebstrap, capsh, crane, syft, which are not there: apt-get install mmdebstrap libcap2-bin;',
  );
  expect(ran.stderr).toContain('syft from https://github.com/anchore/syft/releases');
});

test.skipIf(unable)('a Secret that the recipe names is asked for', async () => {
  const http = { url: 'http://127.0.0.1:1/a', sha256: '0'.repeat(64), secretRef: { name: 'login' } };
  const ran = await run([write(image({ from: { http } })), '--output', temporaryDirectory()]);
  expect(ran.stderr).toContain('names the Secret login: give it with --secrets DIR, its keys as files in DIR/base');
});

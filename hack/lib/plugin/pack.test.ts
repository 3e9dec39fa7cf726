import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, onTestFinished, test } from 'vitest';
import { krewManifest } from './krew.ts';
import { bundlePlugin, packPlugin } from './pack.ts';

const root = join(import.meta.dirname, '../../..');

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'monoroot-plugin-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A program that starts the Node of these tests, so that little is packed; and a plugin that tells what it was called with. */
function parts(out: string) {
  const node = join(out, 'node');
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  const program = join(out, 'cli.mjs');
  writeFileSync(program, 'console.log(process.argv.slice(2).join(" ")); process.exitCode = 3;\n');
  return { platform: 'linux-amd64', node, program, out, version: '1.2.3', root, level: 1 };
}

const programs = { PATH: '/usr/bin:/bin' };

test('one file unpacks itself once, and runs the plugin on a machine without Node', () => {
  const out = directory();
  const { single } = packPlugin(parts(out));
  const cache = join(out, 'cache');
  const run = (...args: string[]) =>
    spawnSync(single, args, { encoding: 'utf8', env: { ...programs, MONOROOT_PLUGIN_CACHE: cache } });
  expect(run('why', 'a b')).toMatchObject({ status: 3, stdout: 'why a b\n', stderr: '' });
  expect(run('status')).toMatchObject({ status: 3, stdout: 'status\n', stderr: '' });
  expect(readdirSync(cache)).toEqual([expect.stringMatching(/^1\.2\.3-[0-9a-f]{16}$/)]);
});

test('where it cannot unpack itself it says what to do', () => {
  const out = directory();
  const { single } = packPlugin(parts(out));
  writeFileSync(join(out, 'file'), '');
  const env = { ...programs, MONOROOT_PLUGIN_CACHE: join(out, 'file') };
  const { status, stderr } = spawnSync(single, ['status'], { encoding: 'utf8', env });
  expect([status, stderr]).toEqual([2, expect.stringContaining('set MONOROOT_PLUGIN_CACHE to a directory')]);
});

test('what krew unpacks runs through a link, and the same parts give the same bytes', () => {
  const [out, other] = [directory(), directory()];
  const { archive, sha256 } = packPlugin(parts(out));
  expect(packPlugin(parts(other)).sha256).toBe(sha256);
  const store = join(out, 'store');
  mkdirSync(store);
  execFileSync('tar', ['-xzf', archive, '-C', store]);
  symlinkSync(join(store, 'kubectl-monoroot'), join(out, 'kubectl-monoroot'));
  const { status, stdout } = spawnSync(join(out, 'kubectl-monoroot'), ['images'], { encoding: 'utf8', env: programs });
  expect([status, stdout]).toEqual([3, 'images\n']);
});

test('the plugin itself is one module that starts', async () => {
  const file = await bundlePlugin(root, join(directory(), 'cli.mjs'));
  chmodSync(file, 0o644);
  const { status, stdout } = spawnSync(process.execPath, [file, 'version', '--client'], {
    encoding: 'utf8',
    env: programs,
  });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect([status, stdout]).toEqual([0, `plugin  ${version} (Node ${process.version})\n`]);
});

test('the manifest for krew has an archive for each platform', () => {
  const packed = [
    { platform: 'linux-arm64', archive: '/x/kubectl-monoroot-linux-arm64.tar.gz', sha256: 'a'.repeat(64) },
  ];
  expect(load(krewManifest(packed, { version: '1.2.3', baseUrl: 'https://example.com/v1.2.3' }))).toMatchObject({
    kind: 'Plugin',
    metadata: { name: 'monoroot' },
    spec: {
      version: 'v1.2.3',
      platforms: [
        {
          selector: { matchLabels: { os: 'linux', arch: 'arm64' } },
          uri: 'https://example.com/v1.2.3/kubectl-monoroot-linux-arm64.tar.gz',
          sha256: 'a'.repeat(64),
          bin: 'kubectl-monoroot',
        },
      ],
    },
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const missing = ['busybox', 'zstd', 'flock'].filter((program) => !has(program));
if (missing.length > 0) console.warn(`Tests of hack/osimages are skipped: they need ${missing.join(', ')}`);

describe.skipIf(missing.length > 0)('hack/osimages tiny', { timeout: 120_000 }, () => {
  let cache = '';
  beforeAll(() => {
    cache = mkdtempSync(join(tmpdir(), 'monoroot-osimages-'));
  });
  afterAll(() => rmSync(cache, { recursive: true }));

  const run = (...args: string[]) =>
    spawnSync(join(root, 'hack/osimages'), ['tiny', ...args], {
      encoding: 'utf8',
      env: { ...process.env, MONOROOT_CACHE: cache },
    });
  const unpack = (bundle: string, member: string): string =>
    execFileSync('tar', ['-xOf', bundle, member], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const digest = (bundle: string): string => readFileSync(`${bundle}.sha256`, 'utf8');

  test('makes a bundle for that version, with its SHA-256', () => {
    const { status, stdout } = run('v7');
    const bundle = join(cache, 'osimages/tiny-v7.tar.zst');
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${bundle}\n` });
    expect(digest(bundle)).toBe(
      execFileSync('sha256sum', ['tiny-v7.tar.zst'], { cwd: join(cache, 'osimages'), encoding: 'utf8' }),
    );
    expect(JSON.parse(unpack(bundle, 'bundle.json'))).toEqual({
      os: 'tiny',
      version: 'v7',
      defaults: { command: ['/bin/serve'] },
    });
    expect(unpack(bundle, 'mount.sh')).toMatch(/^#!\/bin\/sh\n/);
    expect(unpack(bundle, 'root/usr/share/monoroot/version')).toBe('tiny:v7\n');
  });

  test('does nothing where there is nothing new, and makes the same bytes again', () => {
    const bundle = run('v8').stdout.trim();
    const first = { time: statSync(bundle).mtimeMs, digest: digest(bundle) };
    run('v8');
    expect(statSync(bundle).mtimeMs).toBe(first.time);
    rmSync(bundle);
    run('v8');
    expect(digest(bundle)).toBe(first.digest);
  });

  test('makes a service that does not start, when asked', () => {
    const bundle = run('v9').stdout.trim();
    const good = unpack(bundle, 'root/bin/serve');
    run('v9', '--broken');
    expect(unpack(bundle, 'root/bin/serve')).not.toBe(good);
    expect(spawnSync('sh', ['-c', unpack(bundle, 'root/bin/serve')]).status).toBe(1);
  });

  test.each([[['V1']], [['../v1']], [[]], [['v1', '--bad']]])('refuses %j', (args) => {
    expect(run(...args).status).toBe(2);
  });
});

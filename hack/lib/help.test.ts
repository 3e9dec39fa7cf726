import { spawnSync } from 'node:child_process';
import { accessSync, constants, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** `hack/node` hands all that it gets to Node. */
const programs = globSync(['hack/*', 'hack/bench/*'], { cwd: root })
  .filter((path) => path !== 'hack/node' && statSync(join(root, path)).isFile())
  .filter((path) => !/\.[a-z]+$/.test(path));

// A program that takes an unknown option for nothing would begin its work: none of them may get that far.
const call = (path: string, ...args: string[]) =>
  spawnSync(join(root, path), args, {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, KUBECONFIG: '/nonexistent', MONOROOT_CACHE: '/nonexistent/cache' },
  });

test('all programs are found, and can be run', () => {
  expect(programs.length).toBeGreaterThan(12);
  for (const path of programs) accessSync(join(root, path), constants.X_OK);
});

test.each(programs)('%s --help says what it does, and does nothing', { timeout: 90_000 }, (path) => {
  const { status, stdout, stderr } = call(path, '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout.length).toBeGreaterThan(80);
});

test.each(programs)('%s says that it does not know an option, in few words', { timeout: 90_000 }, (path) => {
  const { status, stdout, stderr } = call(path, '--no-such-option');
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(stderr.length).toBeGreaterThan(20);
  expect(stderr).toContain('--no-such-option');
});

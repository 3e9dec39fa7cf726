import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../hack/lib/process.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import { remove } from './lib/objects.ts';
import { kubectl } from './lib/system.ts';

/** The plugin on a real cluster: what needs a kubelet and agents is here, all else in test/integration. */

const [one, other] = ['tiny:one', 'tiny:other'] as const;

beforeAll(async () => {
  await serveFiles();
  await provide(one, other);
});
afterAll(() => remove({ images: [one, other] }));

const monoroot = (...args: string[]) =>
  run(join(import.meta.dirname, '../../hack/bin/kubectl-monoroot'), args, { env: kubectl.env, timeoutSeconds: 60 });

test('diff asks the agents what is in two images', async () => {
  const { code, stdout, stderr } = await monoroot('diff', one, other, '-o', 'json');
  expect([code, stderr]).toEqual([1, '']);
  const { files } = JSON.parse(stdout) as { files: { changes: { path: string }[] } };
  expect(files.changes.map(({ path }) => path)).toEqual(['/etc/motd', '/usr/share/monoroot/version']);
  expect((await monoroot('diff', one, one)).code).toBe(0);
});

test('rollout status and fleet tell of what is on the nodes', async () => {
  const done = await monoroot('rollout', 'status', 'tiny.one', '--timeout', '30s');
  expect([done.code, done.stdout]).toEqual([0, expect.stringMatching(/(\d+) of \1 nodes have it.*done/)]);
  const { stdout } = await monoroot('fleet', '--os', 'tiny');
  expect(stdout).toMatch(/^ {2}one +(\d+)\/\1 /m);
});

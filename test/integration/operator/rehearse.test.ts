import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { annotations } from '../../../src/api/names.ts';
import { commands } from '../../../src/cli/commands.ts';
import type { Host } from '../../../src/cli/host.ts';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { pods } from '../../../src/kube/resources.ts';
import { runForTest } from '../../fixtures/cli.ts';
import { eventually } from '../eventually.ts';
import { openStage } from './stage.ts';

const stage = await openStage();
const { client, namespace, behaviours, createImage, distribute, start, until, good } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const rehearse = (argv: readonly string[], changes: Partial<Host> = {}) =>
  runForTest(['rehearse', 'hctr/shop', ...argv, '-n', namespace, '--kubeconfig', stage.cluster.kubeconfig], commands, changes); // prettier-ignore
const all = async () => (await client.list(hostedContainers, { namespace })).map(({ metadata }) => metadata.name);
const rehearsals = async () =>
  (await client.list(hostedContainers, { namespace })).filter((it) => it.metadata.annotations?.[annotations.rehearsal]);

beforeAll(async () => {
  for (const version of ['v1', 'v2']) {
    await createImage(`os:${version}`);
    await distribute(`os:${version}`);
    await until(imageDistributions, `os.${version}`, { Ready: 'True/AllNodes' });
  }
  await start('shop', 'os:v1', { podTemplate: { metadata: { labels: { app: 'shop' } } } as never });
  await good('shop', 'os:v1');
});

test('another version is tried beside the container, which stays as it is, and nothing of it is left', async () => {
  const before = await client.get(pods, { name: 'shop', namespace });
  const { code, stdout, stderr } = await rehearse(['--image', 'v2']);
  expect(stderr).toMatch(/^hostedcontainer\/shop-rehearsal-\w{6} rehearses shop on os:v2\n.*deleted\n$/s);
  expect(stdout).toMatch(/shop on os:v2 \(n\d\): runs well/);
  expect(code).toBe(0);
  expect(await all()).toEqual(['shop']);
  const after = await client.get(pods, { name: 'shop', namespace });
  expect(after?.metadata.uid).toBe(before?.metadata.uid);
});

test('a version that fails says why', async () => {
  behaviours.set('os:v2', 'crashes');
  const { code, stdout } = await rehearse(['--image', 'os:v2']);
  expect(stdout).toMatch(/shop on os:v2 \(n\d\): failed: CrashLooping: /);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('Ctrl-C ends it, and it is deleted', async () => {
  behaviours.set('os:v2', 'starting');
  const stop = new AbortController();
  const running = rehearse(['--image', 'v2'], { signal: stop.signal });
  await eventually(async () => expect(await rehearsals()).toHaveLength(1));
  stop.abort();
  const { code, stdout } = await running;
  expect(stdout).toMatch(/came to no end/);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('a node that there is not is said to be none', async () => {
  const { code, stdout } = await rehearse(['--image', 'v2', '--node', 'n9']);
  expect(stdout).toMatch(/failed: WaitingForNode: No node can run the container/);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('--dry-run=client prints what would be created, without the labels by which a Service finds the container', async () => {
  const { code, stdout } = await rehearse(['--image', 'v2', '--dry-run=client']);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/imagePolicy: Strict/)]);
  expect(stdout).not.toContain('app: shop');
  expect(await all()).toEqual(['shop']);
});

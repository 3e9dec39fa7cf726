import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodes } from '../../src/kube/resources.ts';
import { systemNamespace } from '../../src/api/names.ts';
import { serveFiles, tinyArchive } from './lib/files.ts';
import {
  applyContainer,
  distribute,
  distributed,
  inside,
  messageOf,
  page,
  patchContainer,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { has, kubectl, namespace } from './lib/system.ts';

/** Direct mounts, as an administrator chooses them: with the component installed, and without it. The tests build on each other. */

const name = 'direct';
const image = 'tiny:direct1';
const here = { name, namespace };
const component = join(import.meta.dirname, '../../deploy/components/direct-mounts/direct-mounts.yaml');
const daemonSet = 'daemonset/monoroot-mounts';

const labelled = async () => {
  const all = await kubectl.list(nodes, { labelSelector: 'monoroot.dev/direct-mounts=true' });
  return all.length;
};
const nodesWithPlugin = (count: number) => expect.poll(labelled, { timeout: 90_000 }).toBe(count);
const install = () => kubectl.run(['apply', '--server-side', '--force-conflicts', '-f', component]);
/** Resolves when the Pods are gone, too: what starts after that has no plugin. */
const uninstall = () =>
  kubectl.run(['delete', '--ignore-not-found', '--cascade=foreground', '--timeout=60s', '-f', component]);

beforeAll(async () => {
  await serveFiles();
  await uninstall();
  await distribute(image, await tinyArchive('direct1'));
  await distributed(image);
});
afterAll(async () => {
  await remove({ containers: [name], images: [image] });
  await uninstall();
});

test('without the node plugin a container that asks for direct mounts waits, and says for what', async () => {
  await nodesWithPlugin(0);
  await applyContainer(name, { image, mounts: 'Direct' });
  const waiting = await untilContainer(name, 'waits for the plugin', (c) => has(c, 'Ready', 'False/PodPending'));
  expect(messageOf(waiting, 'Ready')).toContain('install deploy/components/direct-mounts');
});

test('with it the Pod has no volumes, and the container its image, in memory overlays', async () => {
  await install();
  await kubectl.run(['-n', systemNamespace, 'rollout', 'status', daemonSet, '--timeout=120s']);
  await nodesWithPlugin((await kubectl.list(nodes)).length);
  await upToDate(name, image);
  const pod = await kubectl.get(pods, here);
  expect(pod?.spec.volumes ?? []).toEqual([]);
  expect(await page(name)).toBe(`${namespace}/${name} on ${image}`);
  expect((await kubectl.shell(here, 'touch /usr/x')).stderr).toContain('Read-only file system');
  const mounts = (await inside(name, 'cat /proc/self/mounts')).split('\n').map((line) => line.split(' '));
  const typeOf = (path: string) => mounts.findLast(([, mountPoint]) => mountPoint === path)?.[2];
  expect([typeOf('/etc'), typeOf('/var'), typeOf('/tmp')]).toEqual(['overlay', 'overlay', 'tmpfs']);
  expect(await inside(name, 'stat -c %a /tmp /etc; grep -c Kubernetes-managed /etc/hosts')).toBe('1777\n755\n1');
  expect(await inside(name, 'touch /etc/new && ls /etc/new')).toBe('/etc/new');
});

test('while the plugin is away nothing starts without its mounts, and once it is back the container serves', async () => {
  await uninstall();
  await kubectl.exec(here, ['kill', '1']);
  const waiting = await untilContainer(name, 'waits for its mounts', (c) => has(c, 'Ready', 'False/NoMounts'), 90);
  expect(has(waiting, 'Stalled', 'False/NotStalled')).toBe(true);
  await install();
  await upToDate(name, image);
  expect(await inside(name, 'test -e /etc/new || echo fresh')).toBe('fresh');
});

test('the other mode takes one restart', async () => {
  await patchContainer(name, { mounts: 'HostPath' });
  const pod = () => kubectl.get(pods, here);
  await expect.poll(async () => ((await pod())?.spec.volumes ?? []).length, { timeout: 60_000 }).toBeGreaterThan(5);
  await upToDate(name, image);
  expect((await pod())?.metadata.labels?.['monoroot.dev/mounts']).toBeUndefined();
});

import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodeStores } from '../../src/kube/kinds.ts';
import { nodes } from '../../src/kube/resources.ts';
import { apiVersion, systemNamespace } from '../../src/api/names.ts';
import { serveFiles, tinyArchive } from './lib/files.ts';
import {
  applyContainer,
  distribute,
  distributed,
  hostedContainers,
  inside,
  messageOf,
  page,
  patchContainer,
  pods,
  remove,
  reverted,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { fieldManager, hack, has, kubectl, namespace, until } from './lib/system.ts';

/** Direct mounts, as an administrator chooses them: with the component installed, and without it. The tests build on each other. */

const name = 'direct';
const image = 'tiny:direct1';
const better = 'tiny:direct2';
const broken = 'tiny:direct3';
const here = { name, namespace };
const component = join(import.meta.dirname, '../../deploy/components/direct-mounts/direct-mounts.yaml');
const daemonSet = 'daemonset/monoroot-mounts';
const agents = 'daemonset/monoroot-agent';
const inSystem = ['-n', systemNamespace];
const baseline = { name, namespace: `${namespace}-baseline` };
/** Where the container runs: a node without the web server, so that it can lose its power. */
let node = '';

const labelled = async () => {
  const all = await kubectl.list(nodes, { labelSelector: 'monoroot.dev/direct-mounts=true' });
  return all.length;
};
const nodesWithPlugin = (count: number) => expect.poll(labelled, { timeout: 90_000 }).toBe(count);
const install = () => kubectl.run(['apply', '--server-side', '--force-conflicts', '-f', component]);
/** Resolves when the Pods are gone, too: what starts after that has no plugin. */
const uninstall = () =>
  kubectl.run(['delete', '--ignore-not-found', '--cascade=foreground', '--timeout=60s', '-f', component]);

const podOf = () => kubectl.get(pods, here);
const labelOf = async () => (await kubectl.get(nodes, { name: node }))?.metadata.labels?.['monoroot.dev/direct-mounts'];
const answersSince = async () => (await kubectl.get(nodeStores, { name: node }))?.status?.directMountsTime ?? '';
const restarts = (count: number) =>
  expect
    .poll(async () => (await podOf())?.status?.containerStatuses?.[0]?.restartCount ?? 0, { timeout: 90_000 })
    .toBeGreaterThanOrEqual(count);
const onNode = (...command: string[]) => hack('cluster', 'node', 'exec', node, ...command);

beforeAll(async () => {
  await serveFiles();
  const [server] = await kubectl.list(pods, { namespace, labelSelector: 'app=files' });
  const names = (await kubectl.list(nodes)).map(({ metadata }) => metadata.name);
  node = names.find((it) => it !== server?.spec.nodeName) ?? '';
  await uninstall();
  await distribute(image, await tinyArchive('direct1'));
  await distribute(better, await tinyArchive('direct2'));
  await distribute(broken, await tinyArchive('direct3', '--broken'));
  for (const it of [image, better, broken]) await distributed(it);
});
afterAll(async () => {
  await kubectl.run(['delete', 'namespace', baseline.namespace, '--ignore-not-found', '--timeout=60s']);
  await remove({ containers: [name], images: [image, better, broken] });
  await uninstall();
});

test('without the node plugin a container that asks for direct mounts waits, and says for what', async () => {
  await nodesWithPlugin(0);
  const podTemplate = { terminationGracePeriodSeconds: 5, nodeSelector: { 'kubernetes.io/hostname': node } };
  await applyContainer(name, { image, mounts: 'Direct', podTemplate });
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

test('a namespace with Pod Security baseline is enough', async () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  const metadata = { name: baseline.namespace, labels };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata }], fieldManager);
  const spec = { image, mounts: 'Direct', upgrade: { minReadySeconds: 1 } };
  await kubectl.apply([{ apiVersion, kind: 'HostedContainer', metadata: baseline, spec }], fieldManager);
  await until(hostedContainers, baseline, 'runs', (c) => has(c, 'Ready', 'True/Running'));
  expect((await kubectl.shell(baseline, 'cat /usr/share/monoroot/version')).stdout.trim()).toBe(image);
});

test('a containerd and agents that start again disturb nothing, and what starts after them has its mounts', async () => {
  const before = await podOf();
  const count = before?.status?.containerStatuses?.[0]?.restartCount ?? 0;
  const since = await answersSince();
  await onNode('kill', '-9', ...(await onNode('pidof', 'containerd')).trim().split(' '));
  await expect.poll(answersSince, { timeout: 60_000 }).not.toBe(since);
  const again = await answersSince();
  await kubectl.run([...inSystem, 'rollout', 'restart', agents]);
  await kubectl.run([...inSystem, 'rollout', 'status', agents, '--timeout=120s']);
  await expect.poll(answersSince, { timeout: 60_000 }).not.toBe(again);
  const after = await podOf();
  expect(after?.metadata.uid).toBe(before?.metadata.uid);
  expect(after?.status?.containerStatuses?.[0]?.restartCount).toBe(count);
  expect(await page(name)).toContain(image);
  await kubectl.exec(here, ['kill', '1']);
  await restarts(count + 1);
  await upToDate(name, image);
  expect(await inside(name, 'grep -c "^overlay /etc" /proc/self/mounts')).toBe('1');
});

/** It runs on the image: after a revert `Upgraded` says that, and no more that it is up to date. */
const serves = (wanted: string) =>
  untilContainer(name, `serves ${wanted}`, (c) => has(c, 'Ready', 'True/Running') && c.status?.image === wanted);

/** What stays when only the container of a Pod is restarted. */
const identity = async () => {
  const pod = await podOf();
  return { uid: pod?.metadata.uid, podIP: pod?.status?.podIP };
};

test('an upgrade restarts the container in its Pod, with the new image', async () => {
  const before = await identity();
  await inside(name, 'touch /etc/new');
  await patchContainer(name, { image: better });
  const upgraded = await upToDate(name, better);
  expect(await identity()).toEqual(before);
  expect(await page(name)).toBe(`${namespace}/${name} on ${better}`);
  expect(await inside(name, 'test -e /etc/new || echo fresh')).toBe('fresh');
  expect(upgraded.status).toMatchObject({ lastKnownGoodImage: better, restarts: 0 });
});

test('a version that fails is reverted in the Pod, too', async () => {
  const before = await identity();
  await patchContainer(name, { image: broken });
  const { spec, status } = await reverted(name, better);
  expect(await identity()).toEqual(before);
  expect(await page(name)).toBe(`${namespace}/${name} on ${better}`);
  expect(spec.image).toBe(better);
  expect(status).toMatchObject({ lastKnownGoodImage: better, restarts: 0 });
  expect(status?.failedImages?.[0]).toMatchObject({ image: broken, reason: 'CrashLooping', attempts: 1 });
  expect(status?.history?.[0]).toMatchObject({ image: broken, outcome: 'Reverted' });
});

test('while the plugin is away nothing starts without its mounts, and once it is back the container serves', async () => {
  await uninstall();
  await kubectl.exec(here, ['kill', '1']);
  const waiting = await untilContainer(name, 'waits for its mounts', (c) => has(c, 'Ready', 'False/NoMounts'), 90);
  expect(has(waiting, 'Stalled', 'False/NotStalled')).toBe(true);
  await install();
  await serves(better);
  expect(await inside(name, 'test -e /etc/new || echo fresh')).toBe('fresh');
});

test(
  'a node that boots without agent and plugin: the container waits in one Pod, and serves once they are there',
  { timeout: 300_000 },
  async () => {
    const nowhere = (value: string | null) =>
      kubectl.run([
        ...inSystem,
        'patch',
        agents,
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { template: { spec: { nodeSelector: { 'e2e.monoroot.dev/nowhere': value } } } } }),
      ]);
    onTestFinished(async () => {
      await nowhere(null);
      await hack('cluster', 'node', 'start', node);
      await kubectl.run([...inSystem, 'rollout', 'status', agents, '--timeout=120s']);
    });
    const uid = (await podOf())?.metadata.uid;
    const agentsOfNode = async () =>
      (await kubectl.list(pods, { namespace: systemNamespace, labelSelector: 'app.kubernetes.io/component=agent' }))
        .length;
    await nowhere('true');
    await expect.poll(agentsOfNode, { timeout: 60_000 }).toBe(0);
    await uninstall();
    await hack('cluster', 'node', 'stop', node);
    await hack('cluster', 'node', 'start', node);
    await untilContainer(name, 'waits for its mounts', (c) => has(c, 'Ready', 'False/NoMounts'), 120);
    // No agent says so, but the container does.
    await expect.poll(labelOf, { timeout: 60_000 }).toBeUndefined();
    const count = (await podOf())?.status?.containerStatuses?.[0]?.restartCount ?? 0;
    await restarts(count + 2);
    expect((await podOf())?.metadata.uid).toBe(uid);
    expect(await labelOf()).toBeUndefined();
    await install();
    await nowhere(null);
    await serves(better);
    expect(await page(name)).toContain(better);
  },
);

test('the other mode takes one restart', async () => {
  await patchContainer(name, { mounts: 'HostPath' });
  const pod = () => kubectl.get(pods, here);
  await expect.poll(async () => ((await pod())?.spec.volumes ?? []).length, { timeout: 60_000 }).toBeGreaterThan(5);
  await serves(better);
  expect((await pod())?.metadata.labels?.['monoroot.dev/mounts']).toBeUndefined();
});

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { imageLabelPrefix, storeRoot, systemNamespace } from '../../src/api/names.ts';
import type { StoredImage } from '../../src/api/nodestore.ts';
import { imageDistributions, nodeStores } from '../../src/kube/kinds.ts';
import { nodes, pods } from '../../src/kube/resources.ts';
import { serveFiles, tinyArchive, url } from './lib/files.ts';
import { provide, spread } from './lib/images.ts';
import {
  applyContainer,
  distribute,
  distributed,
  inside,
  page,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { nothingUnfinished } from './lib/store.ts';
import { hack, has, kubectl, namespace, until } from './lib/system.ts';

/** The master store on real nodes: what is kept, shared, found out and fixed. */

const [watched, early, late, cut] = ['tiny:watched', 'tiny:early', 'tiny:late', 'tiny:cut'] as const;
/** A node on which nothing is that the tests themselves need. */
let far = '';

beforeAll(async () => {
  await serveFiles();
  await provide(watched, early);
  const files = await kubectl.list(pods, { namespace, labelSelector: 'app=files' });
  const others = (await kubectl.list(nodes)).filter(({ metadata }) => metadata.name !== files[0]?.spec.nodeName);
  far = others.at(-1)?.metadata.name ?? '';
});
afterAll(() => remove({ containers: ['watched', 'back'], images: [watched, early, late, cut] }));

const onNode = (node: string, ...command: string[]) => hack('cluster', 'node', 'exec', node, ...command);
const treeOf = (image: string) => `${storeRoot}/${image.replace(':', '/')}/root`;
const objectName = (image: string) => image.replace(':', '.');
const labelOf = async (node: string, image: string) =>
  (await kubectl.get(nodes, { name: node }))?.metadata.labels?.[imageLabelPrefix + objectName(image)];

/** What the agent of a node says of an image, once that is what `holds` asks for. */
async function stored(
  node: string,
  image: string,
  description: string,
  holds: (it: StoredImage | undefined) => boolean,
  seconds = 60,
): Promise<StoredImage | undefined> {
  const find = (images: readonly StoredImage[] = []) => images.find((it) => `${it.os}:${it.version}` === image);
  const store = await until(
    nodeStores,
    { name: node },
    `${image} ${description}`,
    (s) => holds(find(s.status?.images)),
    seconds,
  );
  return find(store.status?.images);
}

async function agentOn(node: string): Promise<string> {
  const labelSelector = 'app.kubernetes.io/component=agent';
  const agents = await kubectl.list(pods, { namespace: systemNamespace, labelSelector });
  return agents.find(({ spec }) => spec.nodeName === node)?.metadata.name ?? '';
}

test.concurrent(
  'a file that was changed is found; who runs goes on, and the tree is fixed when no one uses it',
  async ({ expect }) => {
    await applyContainer('watched', { image: watched });
    const node = (await upToDate('watched', watched)).status?.nodeName ?? '';
    const file = `${treeOf(watched)}/etc/motd`;
    const before = await onNode(node, 'cat', file);
    await onNode(node, 'sh', '-c', `echo changed >>${file}`);
    // What is stored is looked at when an agent starts, besides every hour.
    await kubectl.run(['-n', systemNamespace, 'delete', 'pod', await agentOn(node), '--wait=false']);

    const isFound = (it?: StoredImage) => it?.reason === 'TreeChanged' && it.state === 'Failed';
    const found = await stored(node, watched, 'is found changed', isFound, 120);
    expect(found?.message).toContain('etc/motd');
    expect(found?.message).toContain(`Pod ${namespace}/watched`);
    await expect.poll(() => labelOf(node, watched), { timeout: 10_000 }).toBeUndefined();
    expect(await page('watched')).toContain(watched);
    expect(has(await untilContainer('watched', 'is there', () => true), 'Ready', 'True/Running')).toBe(true);

    await remove({ containers: ['watched'] });
    await stored(node, watched, 'is fixed', (it) => it?.state === 'Ready' && it.reason === undefined, 120);
    expect(await onNode(node, 'cat', file)).toBe(before);
    await expect.poll(() => labelOf(node, watched), { timeout: 10_000 }).not.toBeUndefined();
  },
);

test.concurrent(
  'an earlier version is kept as a warm way back, shares its files with the next, and goes when it is asked to',
  async ({ expect }) => {
    const archive = await tinyArchive('late');
    await distribute(late, archive);
    await kubectl.run(['delete', 'imagedistribution', objectName(late)]);
    // The same distribution goes from one version to the next.
    const name = objectName(early);
    await kubectl.run([
      'patch',
      'imagedistribution',
      name,
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { image: late } }),
    ]);
    const distribution = await until(imageDistributions, { name }, 'is on all nodes', (d) =>
      has(d, 'Distributed', 'True/AllNodes'),
    );
    expect(distribution.status?.previousImages).toEqual([early]);

    await applyContainer('back', { image: early, imagePolicy: 'Strict' });
    const node = (await upToDate('back', early)).status?.nodeName ?? '';
    expect(await inside('back', 'cat /usr/share/monoroot/version')).toBe(early);
    const program = (image: string) => onNode(node, 'stat', '-c', '%d:%i', `${treeOf(image)}/bin/busybox`);
    expect(await program(late)).toBe(await program(early));
    await remove({ containers: ['back'] });

    await kubectl.run(['patch', 'imagedistribution', name, '--type=merge', '-p', '{"spec":{"retainVersions":0}}']);
    await stored(node, early, 'is gone', (it) => it === undefined, 120);
    expect(await onNode(node, 'ls', `${storeRoot}/tiny`)).not.toContain('early');
    expect(await program(late)).toMatch(/^\d+:\d+$/m);
    await kubectl.run(['delete', 'imagedistribution', name]);
  },
);

test(
  'a node that loses its power in mid-fetch, leaves the cluster and joins again has whole images or none, and then all',
  { timeout: 240_000 },
  async () => {
    await spread(watched);
    const slow = await tinyArchive('cut');
    await distribute(cut, slow, { url: url(slow, 'slow') });
    await stored(far, cut, 'is being fetched', (it) => it?.state === 'Fetching' && (it.downloadedBytes ?? 0) > 0);
    onTestFinished(async () => {
      await hack('cluster', 'node', 'start', far);
    });
    await hack('cluster', 'node', 'stop', far);
    await kubectl.run(['delete', 'node', far]);
    await expect.poll(() => kubectl.get(nodeStores, { name: far }), { timeout: 60_000 }).toBeUndefined();
    const without = await distributed(cut, 90);
    expect(without.status?.nodes).toMatchObject({ desired: 2, ready: 2 });

    await hack('cluster', 'node', 'start', far);
    // It was whole before and is found again; no one fetches it twice.
    const again = await stored(far, watched, 'is there', (it) => it?.state === 'Ready', 120);
    const others = await kubectl.get(nodeStores, { name: 'node-1' });
    expect(again?.digest).toBe(others?.status?.images?.find(({ version }) => version === 'watched')?.digest);
    await stored(far, cut, 'is stored', (it) => it?.state === 'Ready', 120);
    await until(
      imageDistributions,
      { name: objectName(cut) },
      'is on all three nodes',
      (d) => has(d, 'Distributed', 'True/AllNodes') && d.status?.nodes?.desired === 3,
    );
    expect(await labelOf(far, cut)).toBeDefined();
    await nothingUnfinished(far);
    await applyContainer('back', { image: cut, podTemplate: { nodeSelector: { 'kubernetes.io/hostname': far } } });
    expect((await upToDate('back', cut)).status?.nodeName).toBe(far);
    expect((await kubectl.get(pods, { name: 'back', namespace }))?.spec.nodeName).toBe(far);
  },
);

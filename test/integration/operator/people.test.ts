import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createAgentClient } from '../../../src/agent/client.ts';
import type { NodeStore } from '../../../src/api/nodestore.ts';
import { isConflict, isNotFound } from '../../../src/kube/client.ts';
import { imageDistributions, nodeStores } from '../../../src/kube/kinds.ts';
import { nodes } from '../../../src/kube/resources.ts';
import { eventually, patience } from '../eventually.ts';
import { holdFirst } from './held.ts';
import type { Held } from './held.ts';
import { startOperator } from './process.ts';
import { nodeNames, openStage } from './stage.ts';

/** The writes of the operator to NodeStores and Nodes, at the moment at which somebody else writes there too. */

const stage = await openStage();
const { client, createImage, createNode, distribute, until, told, labelsOf } = stage;
let isUp = true;
const others: Awaited<ReturnType<typeof startOperator>>[] = [];
afterEach(async () => {
  for (const other of others.splice(0)) await other.stop();
  stage.reset();
  if (!isUp) await anotherLeads();
  for (const { metadata } of await client.list(imageDistributions)) await client.delete(imageDistributions, metadata);
  for (const name of nodeNames) await isAt(name);
});
afterAll(() => stage.close());

/** The operator goes on alone, over this network. */
async function operatorOver({ network }: Held): Promise<void> {
  await stage.operator.stop();
  isUp = false;
  others.push(await startOperator(stage.cluster.kubeconfig, stage.connection, { network }));
}
/** How the API server answers a JSON patch of which a test does not hold. */
const failedTest = { code: 422, causes: [] };
/** While the one before still believes that it leads. */
async function anotherLeads(): Promise<void> {
  await stage.operator.start();
  isUp = true;
}
const storeOf = async (name: string): Promise<NodeStore> => {
  const store = await client.get(nodeStores, { name });
  if (!store) throw new Error(`There is no NodeStore ${name}`);
  return store;
};
const ownersOf = async (name: string) =>
  ((await storeOf(name)).metadata as { ownerReferences?: { uid: string }[] }).ownerReferences?.map(({ uid }) => uid);
const isAt = (name: string, ...images: string[]) =>
  eventually(async () => {
    expect(await told(name)).toEqual(images);
    expect(await labelsOf(name)).toHaveLength(images.length);
  });
async function everywhere(image: string): Promise<void> {
  await createImage(image);
  await distribute(image);
  await until(imageDistributions, image.replace(':', '.'), { Ready: 'True/AllNodes' });
}
const withdraw = (image: string) => client.delete(imageDistributions, { name: image.replace(':', '.') });

test('what somebody writes into the spec of a NodeStore is taken out once, and then nothing is written', async () => {
  await everywhere('hand:v1');
  await isAt('n1', 'hand:v1');
  const { spec } = await storeOf('n1');
  const [entry] = spec.images;
  const foreign = { ...entry, os: 'foreign' };
  // Theirs, and one more field in ours, by kubectl edit and by server-side apply.
  const byHand = { spec: { images: [foreign, { ...entry, bytesPerSecond: 5000 }] } };
  await client.mergePatch(nodeStores, { name: 'n1' }, byHand, { fieldManager: 'kubectl-edit' });
  await eventually(async () => expect((await storeOf('n1')).spec).toEqual(spec));
  const applied = { metadata: { name: 'n2' }, spec: { images: [foreign] } };
  await client.apply(nodeStores, applied, { fieldManager: 'gitops' });
  await eventually(async () => expect((await storeOf('n2')).spec).toEqual(spec));

  const generations = async () => [
    (await storeOf('n1')).metadata.generation,
    (await storeOf('n2')).metadata.generation,
  ];
  const [before, { writes }] = [await generations(), await stage.operator.counts()];
  const { runs } = await stage.operator.counts();
  stage.operator.reconcileAll();
  await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThanOrEqual(runs + 3));
  expect([await generations(), (await stage.operator.counts()).writes]).toEqual([before, writes]);
});

test('an edit between the look at a NodeStore and the write is seen before anything is written', async () => {
  const held = holdFirst('/nodestores/n1');
  await operatorOver(held);
  await createImage('edited:v1');
  await distribute('edited:v1');
  await held.sent;
  const { metadata, spec } = await storeOf('n1');
  const entry = {
    os: 'mine',
    version: 'v1',
    digest: `sha256:${'a'.repeat(64)}`,
    source: { http: { url: 'http://web/x', sha256: 'a'.repeat(64) } },
  };
  const edited = await client.mergePatch(nodeStores, { name: 'n1' }, { spec: { images: [...spec.images, entry] } });
  expect(edited.metadata.generation).toBe((metadata.generation ?? 0) + 1);
  expect(await held.release()).toMatchObject(failedTest);
  await isAt('n1', 'edited:v1');
});

test('the status that an agent writes meanwhile refuses no write', async () => {
  await everywhere('busy:v1');
  await isAt('n1', 'busy:v1');
  const held = holdFirst('/nodestores/n1');
  await operatorOver(held);
  await stage.playAgent('n1');
  await createImage('busy:v2');
  await distribute('busy:v2');
  await held.sent;
  const { metadata, status } = await storeOf('n1');
  const spoken = { metadata: { name: 'n1' }, status: { ...status, store: { usedBytes: 1, freeBytes: 2 } } };
  const written = await client.applyStatus(nodeStores, spoken, { fieldManager: 'monoroot-agent' });
  expect(written.metadata.resourceVersion).not.toBe(metadata.resourceVersion);
  expect(await held.release()).toEqual(expect.stringContaining('"busy"'));
  expect(await told('n1')).toEqual(['busy:v1', 'busy:v2']);
  stage.reset();
});

describe('a former leader whose write is still on its way', () => {
  test('takes no image from a node that the new leader has told it', async () => {
    const held = holdFirst('/nodestores/n1');
    await operatorOver(held);
    await createImage('late:v1');
    await distribute('late:v1');
    await held.sent;
    await anotherLeads();
    await createImage('late:v2');
    await distribute('late:v2');
    await isAt('n1', 'late:v1', 'late:v2');
    const { metadata } = await storeOf('n1');
    expect(await held.release()).toMatchObject(failedTest);
    expect((await storeOf('n1')).metadata.generation).toBe(metadata.generation);
  });

  test('brings no label back that the new leader has taken away', async () => {
    const held = holdFirst('/nodes/n1');
    await operatorOver(held);
    await createImage('gone:v1');
    await distribute('gone:v1');
    await held.sent;
    await anotherLeads();
    await isAt('n1', 'gone:v1');
    await withdraw('gone:v1');
    await isAt('n1');
    expect(isConflict(await held.release())).toBe(true);
    expect(await labelsOf('n1')).toEqual([]);
  });
});

describe('a node that is deleted and made again under its name', () => {
  /** There is no garbage collector here. */
  async function replaceNode(name: string): Promise<string | undefined> {
    await client.delete(nodes, { name });
    return (await createNode(name)).metadata.uid;
  }

  test('gets no NodeStore by a write that was meant for the one before', async () => {
    const held = holdFirst('/nodestores/n2');
    await operatorOver(held);
    await createImage('reborn:v1');
    await distribute('reborn:v1');
    await held.sent;
    await client.delete(nodeStores, { name: 'n2' });
    const uid = await replaceNode('n2');
    expect(isNotFound(await held.release())).toBe(true);
    await isAt('n2', 'reborn:v1');
    expect(await ownersOf('n2')).toEqual([uid]);
  });

  test('gets no label by a write that was meant for the one before', async () => {
    const held = holdFirst('/nodes/n2');
    await operatorOver(held);
    await createImage('relabel:v1');
    await distribute('relabel:v1');
    await held.sent;
    await stage.playAgent('n2');
    await client.delete(nodeStores, { name: 'n2' });
    await replaceNode('n2');
    expect(isConflict(await held.release())).toBe(true);
    expect(await labelsOf('n2')).toEqual([]);
    stage.reset();
    await isAt('n2', 'relabel:v1');
  });

  test('has no image that only the NodeStore of the one before tells of', async () => {
    await everywhere('stale:v1');
    await isAt('n3', 'stale:v1');
    await stage.operator.stop();
    await stage.playAgent('n3');
    const uid = await replaceNode('n3');
    await stage.operator.start();
    await createImage('other:v1');
    await distribute('other:v1');
    // The other nodes have it, so the fleet was gone through.
    await isAt('n1', 'other:v1', 'stale:v1');
    expect([await labelsOf('n3'), await told('n3')]).toEqual([[], ['stale:v1']]);
    expect(await ownersOf('n3')).not.toContain(uid);
    // The garbage collector takes it.
    await client.delete(nodeStores, { name: 'n3' });
    stage.reset();
    await isAt('n3', 'other:v1', 'stale:v1');
    expect(await ownersOf('n3')).toEqual([uid]);
  });

  test('keeps its status from an agent that has looked at the NodeStore of the one before', async () => {
    await stage.playAgent('n1');
    const agent = createAgentClient(client, 'n1', stage.namespace);
    const soon = patience();
    const before = await storeOf('n1');
    const first = { ...before.status, store: { usedBytes: 1, freeBytes: 2 } };
    const revision = await agent.writeStatus(first, before.metadata.resourceVersion, soon);
    expect(revision).toBe((await storeOf('n1')).metadata.resourceVersion);
    await stage.operator.stop();
    await client.delete(nodeStores, { name: 'n1' });
    await stage.operator.start();
    await eventually(async () => expect((await storeOf('n1')).metadata.uid).not.toBe(before.metadata.uid));
    await expect(agent.writeStatus(first, revision, soon)).rejects.toSatisfy(isConflict);
    expect((await storeOf('n1')).status).toBeUndefined();
  });
});

import { expect, test } from 'vitest';
import { hostileLog, recordedFleet } from '../../../../test/fixtures/fleet.ts';
import type { Scene } from '../../scene/scene.ts';
import type {
  ContainerPage,
  ContainerRow,
  Events,
  History,
  HistoryRow,
  ImageRow,
  NodeRow,
  ObjectPage,
  OsCard,
  RolloutPage,
  Troubles,
} from '../views.ts';
import { nodesText } from '../views.ts';
import { modelOf } from './model.ts';

const now = new Date('2026-03-01T12:00:00Z');
const scene: Scene = { ...recordedFleet({ containers: 1000, nodes: 10, now }), unseen: [] };
const empty: Scene = { osImages: [], distributions: [], nodeStores: [], containers: [], unseen: [] };
const of = (name: Parameters<typeof modelOf>[0], from = scene) => modelOf(name, from, now);
type AnyPiece = ObjectPage & ContainerPage & Events;

test('the fleet has a row for each container, a card for each OS, and who needs a person', () => {
  const model = of({ name: 'fleet' });
  expect(Object.keys(model).filter((key) => key.startsWith('c/'))).toHaveLength(1000);
  expect(model['c/shops/shop-00062'] as ContainerRow).toMatchObject({ state: 'NeedsYou', reason: 'FailedBefore' });
  expect(model['c/shops/shop-00031'] as ContainerRow).toMatchObject({ state: 'WentBack', image: 'debian-12:v37' });
  expect(model['c/shops/shop-00007'] as ContainerRow).toMatchObject({
    state: 'Down',
    reason: 'CrashLooping',
    restarts: 12,
  });
  const card = model['os/debian-12'] as OsCard;
  expect(card).toMatchObject({ default: 'v37', containers: 800 });
  expect(card.versions.reduce((sum, it) => sum + it.running, 0)).toBe(800);
  const troubles = model['troubles'] as Troubles;
  expect(troubles.count).toBe(2);
  expect(troubles.groups.map(({ kind, reason }) => `${kind} ${reason}`).sort()).toEqual([
    'HostedContainer FailedBefore',
    'ImageDistribution TooManyFailures',
  ]);
  expect(troubles.groups.every(({ command }) => command.startsWith('kubectl '))).toBe(true);
  expect(Object.values(troubles.containers).reduce((sum, it) => sum + it, 0)).toBe(1000);
});

test('a row of a container that did not change is the same object, so that ten thousand are not compared', () => {
  expect(of({ name: 'fleet' })['c/shops/shop-00001']).toBe(of({ name: 'fleet' })['c/shops/shop-00001']);
});

test('the rollout shows each follower as the planner sees it, and its canaries', () => {
  const model = of({ name: 'rollout', object: 'debian-12' });
  const page = model['rollout'] as RolloutPage;
  const cells = Object.entries(model)
    .filter(([key]) => key.startsWith('f/'))
    .map(([, it]) => it as { state: string; canary: boolean });
  expect(cells).toHaveLength(800);
  expect(cells.filter(({ canary }) => canary)).toHaveLength(20);
  expect(page.moves?.counts.Updated).toBe(cells.filter(({ state }) => state === 'Updated').length);
  expect(page.moves?.counts.Moving).toBeGreaterThan(0);
  expect(page.moves).toMatchObject({
    wave: 3,
    maxFailures: 1,
    // 5% of those that are not suspended.
    budget: { most: 39 },
    gates: [{ name: 'error-rate', holds: true, limit: 0 }],
  });
  expect(model['object']).toBeDefined();
});

test('an image has its steps, a node its images, a distribution its line', () => {
  const image = of({ name: 'image', object: 'debian-12.v38' })['image'] as ImageRow;
  expect(image.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
    'Built Done',
    'Tested Done',
    'Published Done',
    'Stored Active',
  ]);
  expect(image.steps[0]?.seconds).toBe(360);
  const node = of({ name: 'node', object: 'node-005' })['node'] as NodeRow;
  expect(node.images.find((it) => it.image === 'debian-12:v38')).toMatchObject({ state: 'Fetching', percent: 62 });
  expect(Object.keys(of({ name: 'rollouts' }))).toEqual(['d/alpine-3', 'd/debian-12']);
});

test('an image that no node should have any more is kept by those that have it', () => {
  const left = {
    ...scene,
    osImages: scene.osImages.map((it) => ({ ...it, status: { ...it.status, nodes: { ready: 0, desired: 0 } } })),
    nodeStores: scene.nodeStores.map((it) => ({ ...it, spec: { ...it.spec, images: [] } })),
  };
  const image = of({ name: 'image', object: 'debian-12.v37' }, left)['image'] as ImageRow;
  expect(nodesText(image.nodes)).toBe(`${scene.nodeStores.length} nodes kept`);
  expect(image.steps.find(({ name }) => name === 'Stored')?.detail).toBe(nodesText(image.nodes));
  const node = of({ name: 'node', object: 'node-001' }, left)['node'] as NodeRow;
  expect(node).toMatchObject({ held: 0, desired: 0, kept: 5 });
});

test('how many nodes have an image is never more than those that should', () => {
  expect(nodesText({ ready: 2, desired: 3 })).toBe('2 of 3 nodes');
  expect(nodesText({ ready: 5, desired: 3 })).toBe('3 of 3 nodes, 2 kept');
  expect(nodesText({ ready: 1, desired: 0 })).toBe('1 node kept');
  expect(nodesText({ ready: 0, desired: 0 })).toBe('no nodes');
});

test('the history counts at each moment who ran what; what runs now is in the last', () => {
  const model = of({ name: 'history', os: 'debian-12' });
  const history = model['history'] as History;
  expect(history.versions).toEqual(['debian-12:v36', 'debian-12:v37', 'debian-12:v38']);
  expect(history.columns).toHaveLength(120);
  const sums = history.columns.map(({ counts }) => counts.reduce((sum, it) => sum + it, 0));
  expect(Math.min(...sums)).toBeGreaterThanOrEqual(0);
  expect(sums.at(-1)).toBe(800);
  const row = model['h/shops/shop-00031'] as HistoryRow;
  expect(row.runs.filter(({ failed }) => failed)).toHaveLength(1);
});

test('what is not there has no piece, and an empty cluster has empty views', () => {
  expect(of({ name: 'container', namespace: 'shops', object: 'none' })).toEqual({});
  expect(of({ name: 'rollout', object: 'none' })).toEqual({});
  expect(of({ name: 'nodes' }, empty)).toEqual({});
  expect((of({ name: 'fleet' }, empty)['troubles'] as Troubles).count).toBe(0);
  expect((of({ name: 'history', os: undefined }, empty)['history'] as History).systems).toEqual([]);
});

/** Characters that are not seen, or turn a line around. */
const unseen = /[\p{Cc}\p{Cf}]/u;

test('texts of others hold nothing that turns a line around or is not seen', () => {
  const model = of({ name: 'container', namespace: 'shops', object: 'shop-00062' }) as unknown as {
    container: AnyPiece;
  };
  expect(hostileLog).toMatch(unseen);
  expect(JSON.stringify(model)).not.toMatch(/\p{Cf}|\\u00/u);
  expect(model.container.failed[0]?.message).toContain('<script>');
});

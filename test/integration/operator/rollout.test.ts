import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import type { ExistingContainers } from '../../../src/api/rollout.ts';
import { annotations, labels } from '../../../src/api/names.ts';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import { pods } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/api/kubernetes/objects.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { logger } from '../environment.ts';
import { eventually, patience } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, namespace, behaviours, operator, createImage, distribute, start, until, good, owners } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const size = 20;
const names = Array.from({ length: size }, (_, i) => `f-${String(i).padStart(2, '0')}`);
const rolledOut = { Ready: 'True/RolledOut', RolledOut: 'True/RolledOut', RolloutHalted: 'False/NotHalted' };

/** Followers move to the image as this says, four at a time unless it says otherwise. */
async function roll(image: string, how: Partial<ExistingContainers>): Promise<string> {
  await createImage(image);
  const existingContainers = { maxUnavailable: 4, canary: { count: 2, soakSeconds: 0 }, ...how };
  await distribute(image, { activate: { newContainers: true, existingContainers } as never });
  return objectName(image);
}
const set = (distribution: string, existingContainers: object) =>
  client.mergePatch(imageDistributions, { name: distribution }, { spec: { activate: { existingContainers } } });
const followers = async (): Promise<HostedContainer[]> => {
  const all = await client.list(hostedContainers, { namespace });
  return all.filter(({ metadata }) => names.includes(metadata.name));
};
const imagesOf = async () => [...new Set((await followers()).map(({ status }) => status?.lastKnownGoodImage))];
const message = async (name: string, type: string) =>
  findCondition((await client.get(imageDistributions, { name }))?.status?.conditions, type)?.message;
const isDefault = async (image: string) =>
  (await client.get(osImages, { name: objectName(image) }))?.status?.defaultVersion;
const isReady = (pod: Pod) =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') ?? false);

/** Sees every change: how many followers were without a Ready Pod at once, at most, and what each was assigned in turn. */
async function record() {
  const reflector = new Reflector({
    name: 'pods',
    logger,
    source: client.listWatcher(pods, { labelSelector: `${labels.managedBy}=monoroot` }),
  });
  const containers = new Reflector({
    name: 'containers',
    logger,
    source: client.listWatcher(hostedContainers, { namespace }),
  });
  const stop = new AbortController();
  const running = Promise.all([reflector.run(stop.signal), containers.run(stop.signal)]);
  await Promise.all([reflector, containers].map((it) => it.synced(patience())));
  let most = 0;
  const assigned = new Map<string, string[]>();
  containers.store.subscribe((key, _old, current) => {
    const image = current?.status?.assignedImage ?? '';
    const before = assigned.get(key) ?? [];
    if (before.at(-1) !== image) assigned.set(key, [...before, image]);
  });
  reflector.store.subscribe(() => {
    const ready = reflector.store.list().filter((pod) => names.includes(pod.metadata.name) && isReady(pod));
    most = Math.max(most, size - ready.length);
  });
  return {
    assigned: () => [...new Set([...assigned.values()].map((images) => images.join(' ')))],
    most: async () => {
      stop.abort();
      await running;
      return most;
    },
  };
}

describe('twenty followers', () => {
  beforeAll(async () => {
    await createImage('fleet:v1');
    await distribute('fleet:v1', { activate: { newContainers: true } });
    await until(imageDistributions, 'fleet.v1', { Ready: 'True/AllNodes' });
    await Promise.all(names.map((name) => start(name, 'fleet')));
    for (const name of names) await good(name, 'fleet:v1');
  });

  test('move in waves, canaries first, never more down than may be', async () => {
    const recorder = await record();
    await roll('fleet:v2', { canary: { count: 2, soakSeconds: 1 } });
    await eventually(async () => expect(await message('fleet.v2', 'RolledOut')).toContain('soaking until'));
    const early = await followers();
    expect(early.filter(({ status }) => status?.assignedImage === 'fleet:v2').map((it) => it.metadata.name)).toEqual([
      'f-00',
      'f-01',
    ]);
    const waiting = await client.get(hostedContainers, { name: 'f-19', namespace });
    expect(findCondition(waiting?.status?.conditions, 'ImageResolved')?.message).toBe(
      'Follows the default version of fleet, which is v2, and stays at v1 until it is moved. ImageDistribution fleet.v2 moves it there; what the rollout waits for is in its condition RolledOut',
    );
    const done = await until(imageDistributions, 'fleet.v2', rolledOut);
    expect(done.status?.containers).toEqual({ following: 20, updated: 20, updating: 0, reverted: 0, unavailable: 0 });
    expect(await imagesOf()).toEqual(['fleet:v2']);
    expect(await recorder.most()).toBeLessThanOrEqual(4);
    const times = (await followers()).map(({ status }) => Date.parse(status?.assignedTime ?? '')).sort((a, b) => a - b);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(1000);
    // No one takes back what another has written.
    expect(recorder.assigned()).toEqual(['fleet:v1 fleet:v2']);
    const path = ['f:status', 'f:assignedImage'];
    expect(await owners(hostedContainers, 'f-07', ...path)).toEqual([
      'monoroot Apply status',
      'monoroot-rollout Apply status',
    ]);
  });

  test('that begin to follow keep what they run outside of windows, and are moved inside', async () => {
    await start('late', 'fleet:v1');
    await good('late', 'fleet:v1');
    const before = await client.get(pods, { name: 'late', namespace });
    await set('fleet.v2', { windows: [{ schedule: '0 0 29 2 *', durationSeconds: 600 }] });
    await client.mergePatch(hostedContainers, { name: 'late', namespace }, { spec: { image: 'fleet' } });
    await until(imageDistributions, 'fleet.v2', {
      Ready: 'True/OutsideWindow',
      RolledOut: 'False/OutsideWindow',
      Reconciling: 'False/Settled',
      Stalled: 'False/Settled',
    });
    const waiting = await good('late', 'fleet:v1');
    expect(waiting.status?.assignedImage).toBe('fleet:v1');
    expect((await client.get(pods, { name: 'late', namespace }))?.metadata.uid).toBe(before?.metadata.uid);
    await set('fleet.v2', { windows: null });
    await good('late', 'fleet:v2');
    await client.delete(hostedContainers, { name: 'late', namespace });
    await client.delete(pods, { name: 'late', namespace });
    await until(imageDistributions, 'fleet.v2', rolledOut);
  });

  test('cost no write when nothing changes', async () => {
    await eventually(async () => {
      const { writes } = await operator.counts();
      for (let i = 0; i < 3; i++) {
        const { runs } = await operator.counts();
        operator.reconcileAll();
        await eventually(async () => expect((await operator.counts()).runs).toBeGreaterThan(runs + size));
      }
      expect((await operator.counts()).writes).toBe(writes);
    });
  });

  test('are kept from a bad version by its canaries, and so is everybody else', async () => {
    behaviours.set('fleet:v3', 'crashes');
    const recorder = await record();
    await roll('fleet:v3', { maxFailures: 1 });
    const halted = await until(imageDistributions, 'fleet.v3', {
      RolloutHalted: 'True/TooManyFailures',
      Ready: 'False/RolloutHalted',
      Stalled: 'True/RolloutHalted',
      Reconciling: 'False/Settled',
      Activated: 'False/ImageCondemned',
    });
    expect(findCondition(halted.status?.conditions, 'RolloutHalted')?.message).toMatch(
      /2 of 20 containers failed with fleet:v3 and went back, such as .*\/f-00: CrashLooping: .*remove the annotation monoroot.dev\/condemned of OSImage fleet.v3, then change/,
    );
    for (const name of ['f-00', 'f-01']) await until(hostedContainers, name, { Ready: 'True/Running' });
    const all = await followers();
    expect([...new Set(all.map(({ status }) => status?.assignedImage))]).toEqual(['fleet:v2']);
    expect(all.filter(({ status }) => status?.failedImages?.length).map(({ metadata }) => metadata.name)).toEqual([
      'f-00',
      'f-01',
    ]);
    expect(await recorder.most()).toBeLessThanOrEqual(4);

    const image = await until(osImages, 'fleet.v3', { Condemned: 'True/Condemned', Ready: 'True/Stored' });
    expect(image.metadata.annotations?.[annotations.condemned]).toContain('2 of 20 containers failed');
    expect(await owners(osImages, 'fleet.v3', 'f:metadata', 'f:annotations')).toEqual(['monoroot-condemn Apply']);
    await eventually(async () =>
      expect([await isDefault('fleet:v2'), await isDefault('fleet:v3')]).toEqual([true, false]),
    );
    await until(imageDistributions, 'fleet.v2', { RolledOut: 'False/OtherHalted', Ready: 'True/AllNodes' });

    await start('late', 'fleet');
    await good('late', 'fleet:v2');
    await start('stubborn', 'fleet:v3');
    await until(hostedContainers, 'stubborn', { ImageResolved: 'True/FallbackToDefault', Ready: 'True/Running' });
    await start('strict', 'fleet:v3', { imagePolicy: 'Strict' });
    await until(hostedContainers, 'strict', { ImageResolved: 'False/ImageCondemned', Ready: 'False/ImageCondemned' });
    for (const name of ['late', 'stubborn', 'strict']) await client.delete(hostedContainers, { name, namespace });
    for (const name of ['late', 'stubborn']) await client.delete(pods, { name, namespace });
  });

  test('go on when a person has lifted that and asks for another try', async () => {
    await client.mergePatch(
      osImages,
      { name: 'fleet.v3' },
      { metadata: { annotations: { [annotations.condemned]: null } } },
    );
    await until(osImages, 'fleet.v3', { Condemned: 'False/NotCondemned' });
    await until(imageDistributions, 'fleet.v3', { Activated: 'True/NewContainers', Ready: 'False/RolloutHalted' });
    await eventually(async () =>
      expect(await message('fleet.v3', 'Ready')).toMatch(
        /is fixed, change spec.activate.existingContainers.retryToken/,
      ),
    );
    expect(await imagesOf()).toEqual(['fleet:v2']);
    await set('fleet.v3', { retryToken: 'fixed' });
    await until(imageDistributions, 'fleet.v3', rolledOut);
    expect(await imagesOf()).toEqual(['fleet:v3']);
    await until(imageDistributions, 'fleet.v2', { RolledOut: 'False/Superseded', Ready: 'True/AllNodes' });
  });

  test('wait while it is paused, or no window is open, and say so', async () => {
    await roll('fleet:v4', { paused: true });
    await until(imageDistributions, 'fleet.v4', { RolledOut: 'False/Paused', Activated: 'True/NewContainers' });
    await set('fleet.v4', {
      paused: false,
      windows: [{ schedule: '0 0 1 1 *', durationSeconds: 60, timeZone: 'UTC' }],
    });
    await eventually(async () =>
      expect(await message('fleet.v4', 'RolledOut')).toMatch(
        /0 of 20 .*next: when a window opens at \d{4}-01-01T00:00:00Z/,
      ),
    );
    expect(await imagesOf()).toEqual(['fleet:v3']);
    await set('fleet.v4', { windows: null });
    await until(imageDistributions, 'fleet.v4', rolledOut);
    expect(await imagesOf()).toEqual(['fleet:v4']);
  });

  test('go to the newer version when somebody changes their mind in the middle, canaries first', async () => {
    const recorder = await record();
    await roll('fleet:v5', { canary: { count: 3, soakSeconds: 3600 } });
    await eventually(async () => expect(await message('fleet.v5', 'RolledOut')).toContain('soaking until'));
    const { status } = await until(imageDistributions, 'fleet.v5', { RolledOut: 'False/RollingOut' });
    const foreseen =
      Date.parse(status?.rollout?.estimatedCompletionTime ?? '') - Date.parse(status?.rollout?.startTime ?? '');
    expect(foreseen).toBeGreaterThanOrEqual(3_600_000);
    await roll('fleet:v6', { canary: { count: 1, soakSeconds: 0 } });
    const done = await until(imageDistributions, 'fleet.v6', rolledOut);
    expect(done.status?.containers?.updated).toBe(20);
    expect(await imagesOf()).toEqual(['fleet:v6']);
    await until(imageDistributions, 'fleet.v5', { RolledOut: 'False/Superseded' });
    const tried = (await followers()).filter(({ status }) => status?.history?.some((it) => it.image === 'fleet:v5'));
    expect(tried.map(({ metadata }) => metadata.name)).toEqual(['f-00', 'f-01', 'f-02']);
    expect(await recorder.most()).toBeLessThanOrEqual(4);
  });

  test('all go back where that is asked for', async () => {
    for (const name of ['f-10', 'f-11']) behaviours.set(`${name} fleet:v7`, 'crashes');
    const recorder = await record();
    await roll('fleet:v7', { onHalt: 'RevertAll' });
    await until(imageDistributions, 'fleet.v7', { RolloutHalted: 'True/TooManyFailures' });
    await eventually(async () => {
      expect(await imagesOf()).toEqual(['fleet:v6']);
      for (const { status } of await followers())
        expect(status).toMatchObject({ image: 'fleet:v6', assignedImage: 'fleet:v6' });
      const { status } = await until(imageDistributions, 'fleet.v7', { Ready: 'False/RolloutHalted' }, 1);
      expect(status?.containers).toEqual({ following: 20, updated: 0, updating: 0, reverted: 2, unavailable: 0 });
    });
    expect(await recorder.most()).toBeLessThanOrEqual(4);
    await client.delete(imageDistributions, { name: 'fleet.v7' });
  });

  test('are moved on by the next operator when one is killed again and again', async () => {
    const recorder = await record();
    await roll('fleet:v8', { maxUnavailable: 2 });
    const moved = async () => (await followers()).filter(({ status }) => status?.assignedImage === 'fleet:v8').length;
    for (const count of [1, 4, 8, 12]) {
      await eventually(async () => expect(await moved()).toBeGreaterThanOrEqual(count));
      await operator.stop();
      await operator.start();
    }
    await until(imageDistributions, 'fleet.v8', rolledOut);
    expect(await imagesOf()).toEqual(['fleet:v8']);
    expect(await recorder.most()).toBeLessThanOrEqual(2);
  });

  test('stop when a gate does not hold, and the version is not condemned for that', async () => {
    const asked: unknown[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => (body += String(piece)));
      request.on('end', () => {
        asked.push(JSON.parse(body));
        response.writeHead(asked.length === 1 ? 204 : 503).end('error rate 7 %');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const gate = { name: 'errors', intervalSeconds: 1, timeoutSeconds: 5, failureLimit: 1 };
    try {
      await roll('fleet:v9', {
        canary: { count: 2, soakSeconds: 3600 },
        gates: [{ ...gate, webhook: { url: url() } }],
      });
      await until(imageDistributions, 'fleet.v9', { RolloutHalted: 'True/GateFailed', Stalled: 'True/RolloutHalted' });
    } finally {
      server.close();
    }
    expect(asked[0]).toMatchObject({ distribution: 'fleet.v9', image: 'fleet:v9', wave: 0, counts: { updated: 2 } });
    expect(await message('fleet.v9', 'RolloutHalted')).toContain('Gate errors failed 2 times, last: 127.0.0.1');
    await until(osImages, 'fleet.v9', { Condemned: 'False/NotCondemned' });
    const there = (await followers()).filter(({ status }) => status?.lastKnownGoodImage === 'fleet:v9');
    expect(there.map(({ metadata }) => metadata.name)).toEqual(['f-00', 'f-01']);
  });

  test('are forgotten by the rollout when they name a version, and begin to follow where they are when they do not', async () => {
    await start('fickle', 'fleet');
    await good('fickle', 'fleet:v9');
    await client.applyStatus(
      hostedContainers,
      {
        metadata: { name: 'fickle', namespace },
        status: { assignedImage: 'fleet:v9', assignedTime: '2026-01-01T00:00:00Z', assignedRetryToken: 'x' },
      },
      { fieldManager: 'monoroot-rollout' },
    );
    const edit = (image: string) =>
      client.mergePatch(hostedContainers, { name: 'fickle', namespace }, { spec: { image } });
    await edit('fleet:v8');
    const fixed = await good('fickle', 'fleet:v8');
    expect(fixed.status?.assignedImage).toBeUndefined();
    expect(fixed.status?.assignedRetryToken).toBeUndefined();
    const before = await client.get(pods, { name: 'fickle', namespace });
    await edit('fleet');
    // The rollout of v9 is halted, so nothing moves it there.
    await until(hostedContainers, 'fickle', { ImageResolved: 'True/DefaultVersion', Upgraded: 'True/UpToDate' });
    const following = await good('fickle', 'fleet:v8');
    expect(following.status?.assignedImage).toBe('fleet:v8');
    expect((await client.get(pods, { name: 'fickle', namespace }))?.metadata.uid).toBe(before?.metadata.uid);
    await client.delete(hostedContainers, { name: 'fickle', namespace });
    await client.delete(pods, { name: 'fickle', namespace });
  });

  test('stay where they are when the version or its distribution is withdrawn', async () => {
    await client.delete(osImages, { name: 'fleet.v9' });
    await until(imageDistributions, 'fleet.v9', { RolledOut: 'False/ImageNotReady', Stalled: 'True/UnknownImage' });
    const before = (await client.list(pods, { namespace })).map(({ metadata }) => metadata.uid).sort();
    await client.delete(imageDistributions, { name: 'fleet.v9' });
    await eventually(async () => expect(await isDefault('fleet:v8')).toBe(true));
    for (const { status } of await followers())
      expect(findCondition(status?.conditions, 'Ready')).toMatchObject({ status: 'True' });
    expect(before.length).toBeGreaterThanOrEqual(size);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import type { ImageDistributionSpec } from '../../../src/api/imagedistribution.ts';
import { annotations } from '../../../src/api/names.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { nodes, pods } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { eventually } from '../eventually.ts';
import { nodeNames, objectName, openStage, quick } from './stage.ts';

const stage = await openStage();
const {
  client,
  namespace,
  kubelets,
  behaviours,
  states,
  operator,
  createImage,
  distribute,
  start,
  ask,
  until,
  good,
  told,
  labelsOf,
  podOf,
  eventsOf,
  owners,
} = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

/** On all nodes. What a test changes or withdraws is its own, so that each test stands alone. */
beforeAll(async () => {
  await provide('base:v1', { activate: { newContainers: true } });
  for (const image of ['app:v1', 'app:v2', 'app:v3']) await provide(image);
});

async function provide(image: string, spec: Partial<ImageDistributionSpec> = {}): Promise<void> {
  await createImage(image);
  await distribute(image, spec);
  await until(imageDistributions, objectName(image), { Ready: 'True/AllNodes' });
}

/** A container that has gone back from app:v3 to app:v1. */
async function reverted(name: string): Promise<void> {
  await ask(name, 'app:v1');
  await good(name, 'app:v1');
  behaviours.set(`${name} app:v3`, 'crashes');
  await ask(name, 'app:v3');
  await until(hostedContainers, name, { Ready: 'True/Running', Upgraded: 'False/Reverted' });
}

/** It is asked again for the version that has failed. */
async function failedBefore(name: string): Promise<HostedContainer> {
  await ask(name, 'app:v3');
  return until(hostedContainers, name, {
    Ready: 'True/Running',
    Upgraded: 'False/FailedBefore',
    Stalled: 'True/FailedBefore',
  });
}

describe('a container', () => {
  test('is started, upgraded when a node has the new version, and reverted when that fails', async () => {
    for (const image of ['site:v1', 'site:v3']) await provide(image);
    await createImage('site:v2');
    await ask('web', 'site:v1');
    await good('web', 'site:v1');
    const first = await podOf('web');
    expect(first?.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'HostedContainer', name: 'web' });
    expect(await eventsOf('web')).toEqual(expect.arrayContaining(['StartBegan', 'Started']));

    // No one has v2 yet: the old Pod goes on serving.
    await ask('web', 'site:v2');
    await until(hostedContainers, 'web', {
      ImageResolved: 'False/ImageNotReady',
      Ready: 'True/Running',
      Stalled: 'True/ImageNotReady', // nothing distributes it
    });
    expect((await podOf('web'))?.metadata.uid).toBe(first?.metadata.uid);
    await distribute('site:v2');
    const second = await good('web', 'site:v2');
    expect((await podOf('web'))?.metadata.uid).not.toBe(first?.metadata.uid);
    expect(second.status?.history?.map((h) => `${h.image} ${h.outcome ?? ''}`)).toEqual([
      'site:v2 Succeeded',
      'site:v1 Succeeded',
    ]);

    behaviours.set('site:v3', 'crashes');
    await ask('web', 'site:v3');
    const back = await until(hostedContainers, 'web', {
      Ready: 'True/Running',
      Upgraded: 'False/Reverted',
      Stalled: 'False/NotStalled',
    });
    expect(back.spec.image).toBe('site:v2');
    expect(back.status).toMatchObject({ image: 'site:v2', lastKnownGoodImage: 'site:v2' });
    expect(back.status?.failedImages?.[0]).toMatchObject({ image: 'site:v3', reason: 'CrashLooping', attempts: 1 });
    expect(back.status?.history?.[0]).toMatchObject({ image: 'site:v3', outcome: 'Reverted' });
    await eventually(async () =>
      expect(await eventsOf('web')).toEqual(
        expect.arrayContaining(['UpgradeStarted', 'UpgradeSucceeded', 'UpgradeFailed', 'UpgradeReverted']),
      ),
    );
  });

  test('is owned field by field: spec.image by the revert, status by the operator, the rest by who asked', async () => {
    await reverted('owned');
    expect(await owners(hostedContainers, 'owned', 'f:spec', 'f:image')).toEqual(['monoroot-revert Apply']);
    expect(await owners(hostedContainers, 'owned', 'f:spec', 'f:command')).toEqual(['gitops Apply']);
    expect(await owners(hostedContainers, 'owned', 'f:status')).toEqual(['monoroot Apply status']);
    expect(await owners(pods, 'owned', 'f:spec', 'f:containers')).toEqual(['monoroot Update']);
    // Patched, because an apply depends on no generation (ADR 29).
    expect(await owners(nodeStores, 'n1', 'f:spec')).toEqual(['monoroot Update']);
    expect(await owners(nodeStores, 'n1', 'f:status')).toEqual(['monoroot-agent Apply status']);
    expect(await owners(osImages, 'app.v1', 'f:status')).toEqual(['monoroot Apply status']);
    expect(await owners(imageDistributions, 'app.v1', 'f:status')).toEqual(['monoroot Apply status']);
    const label = 'f:image.monoroot.dev/app.v1';
    expect(await owners(nodes, 'n1', 'f:metadata', 'f:labels', label)).toEqual(['monoroot-node-labels Update']);
    expect(await owners(nodes, 'n1', 'f:metadata', 'f:labels', 'f:kubernetes.io/arch')).not.toContain(
      'monoroot-node-labels Update',
    );
  });

  test('is not tried again when a GitOps tool writes the failed version again, and spec is left alone then', async () => {
    await reverted('held');
    const pod = await podOf('held');
    const held = await failedBefore('held');
    expect(held.spec.image).toBe('app:v3');
    expect(held.status?.failedImages?.[0]?.attempts).toBe(1);
    const { runs } = await operator.counts();
    operator.reconcileAll();
    await eventually(async () => expect((await operator.counts()).runs).toBeGreaterThan(runs + 5));
    expect((await client.get(hostedContainers, { name: 'held', namespace }))?.spec.image).toBe('app:v3');
    expect((await podOf('held'))?.metadata.uid).toBe(pod?.metadata.uid);
    expect(await owners(hostedContainers, 'held', 'f:spec', 'f:image')).toEqual(['gitops Apply']);
  });

  test('is tried again with another retryToken, and is good when the version has been fixed', async () => {
    await reverted('retried');
    await failedBefore('retried');
    behaviours.clear();
    await ask('retried', 'app:v3', { upgrade: { ...quick, retryToken: '1' } });
    await good('retried', 'app:v3');
  });

  test('that asks for an unknown version starts on the default one with a warning', async () => {
    await start('lost', 'base:v9');
    await until(hostedContainers, 'lost', { ImageResolved: 'True/FallbackToDefault', Ready: 'True/Running' });
    await eventually(async () => expect(await eventsOf('lost')).toContain('FallbackToDefault'));
  });

  test('keeps its image on its node while it runs, though nothing distributes it any more', async () => {
    await provide('kept:v1');
    await start('kept', 'kept:v1');
    const node = (await good('kept', 'kept:v1')).status?.nodeName ?? '';
    await client.delete(imageDistributions, { name: 'kept.v1' });
    const others = nodeNames.filter((name) => name !== node);
    await eventually(async () => {
      for (const other of others) expect(await told(other)).not.toContain('kept:v1');
    });
    expect(await told(node)).toContain('kept:v1');
    await client.delete(hostedContainers, { name: 'kept', namespace });
    await eventually(async () => expect(await told(node)).not.toContain('kept:v1'));
    await client.delete(pods, { name: 'kept', namespace });
  });

  test('that the API server refuses leaves the running Pod alone', async () => {
    await start('refused', 'app:v1');
    await good('refused', 'app:v1');
    const before = await podOf('refused');
    await client.mergePatch(
      hostedContainers,
      { name: 'refused', namespace },
      { spec: { podTemplate: { metadata: { labels: { 'not a label': 'x' } } } } },
    );
    const refused = await until(hostedContainers, 'refused', { Stalled: 'True/PodForbidden', Ready: 'True/Running' });
    expect(findCondition(refused.status?.conditions, 'Stalled')?.message).toContain('not a label');
    expect((await podOf('refused'))?.metadata.uid).toBe(before?.metadata.uid);
  });

  test('a first start waits for the nodes that are getting the image, and for none that has failed', async () => {
    states.set('n2 early:v1', 'Fetching').set('n3 early:v1', 'Fetching');
    await createImage('early:v1');
    await distribute('early:v1');
    await start('early', 'early:v1');
    const waits = { Ready: 'False/WaitingForDistribution', Reconciling: 'True/WaitingForDistribution' };
    const waiting = await until(hostedContainers, 'early', { ...waits, Stalled: 'False/NotStalled' });
    states.delete('n2 early:v1');
    await eventually(async () =>
      expect(await labelsOf('n2')).toContain(`early.v1=${sha256Of('early:v1').slice(0, 12)}`),
    );
    const still = await until(hostedContainers, 'early', waits);
    expect(still.status).toEqual(waiting.status);

    states.set('n3 early:v1', 'Failed');
    const { status } = await good('early', 'early:v1');
    expect(status?.firstStartDeadline).toBeUndefined();
    expect(Date.now()).toBeLessThan(Date.parse(waiting.status?.firstStartDeadline ?? ''));
    await client.delete(hostedContainers, { name: 'early', namespace });
    await client.delete(imageDistributions, { name: 'early.v1' });
  });

  test('tells apart what comes by itself and what only a person can end', async () => {
    await start('none', 'nothing');
    await until(hostedContainers, 'none', {
      ImageResolved: 'False/NoDefaultVersion',
      Stalled: 'True/NoDefaultVersion',
    });
    await createImage('nothing:v1');
    for (const name of nodeNames) states.set(`${name} nothing:v1`, 'Fetching');
    await distribute('nothing:v1', { activate: { newContainers: true } });
    await until(hostedContainers, 'none', { Stalled: 'False/NotStalled', Reconciling: 'True/NoDefaultVersion' });
    states.clear();
    await good('none', 'nothing:v1');

    await createImage('some:v1');
    await distribute('some:v1', { selector: { matchLabels: { 'kubernetes.io/arch': 'amd64', disk: 'fast' } } });
    await client.mergePatch(nodes, { name: 'n2' }, { metadata: { labels: { disk: 'fast' } } });
    await until(imageDistributions, 'some.v1', { Ready: 'True/AllNodes' });
    await client.mergePatch(nodes, { name: 'n1' }, { metadata: { labels: { disk: 'slow' } } });
    await start('slow', 'some:v1', {
      podTemplate: { automountServiceAccountToken: false, nodeSelector: { disk: 'slow' } },
    });
    await until(hostedContainers, 'slow', { Ready: 'False/PodPending', Stalled: 'True/WaitingForNode' });
    states.set('n1 some:v1', 'Fetching');
    await client.mergePatch(
      imageDistributions,
      { name: 'some.v1' },
      { spec: { selector: { matchLabels: { disk: null } } } },
    );
    await eventually(() => {
      operator.reconcileAll();
      return until(hostedContainers, 'slow', { Stalled: 'False/NotStalled', Reconciling: 'True/WaitingForNode' }, 1);
    });
    states.clear();
    await good('slow', 'some:v1');

    await createImage('some:v2');
    await client.mergePatch(
      osImages,
      { name: 'some.v2' },
      { metadata: { annotations: { [annotations.condemned]: 'it ate data' } } },
    );
    await client.mergePatch(hostedContainers, { name: 'slow', namespace }, { spec: { image: 'some:v2' } });
    await until(hostedContainers, 'slow', {
      ImageResolved: 'False/ImageCondemned',
      Stalled: 'True/ImageCondemned',
      Ready: 'True/Running',
    });
    await client.mergePatch(
      osImages,
      { name: 'some.v2' },
      { metadata: { annotations: { [annotations.condemned]: null } } },
    );
    for (const name of ['none', 'slow']) {
      await client.mergePatch(hostedContainers, { name, namespace }, { spec: { suspend: true } });
      await until(hostedContainers, name, {
        Ready: 'True/Suspended',
        Stalled: 'False/NotStalled',
        Reconciling: 'False/Settled',
      });
    }
  });

  test('that has no Pod while its version is on no node runs its last known good', async () => {
    await start('drained', 'app:v1');
    const { metadata } = await good('drained', 'app:v1');
    await createImage('app:v8');
    for (const name of nodeNames) states.set(`${name} app:v8`, 'Fetching');
    await distribute('app:v8');
    await client.mergePatch(hostedContainers, metadata, { spec: { image: 'app:v8' } });
    await until(hostedContainers, 'drained', {
      ImageResolved: 'False/ImageNotReady',
      Reconciling: 'True/ImageNotReady',
    });
    const before = await podOf('drained');
    await client.delete(pods, { name: 'drained', namespace });
    await eventually(async () => {
      const container = await until(hostedContainers, 'drained', { Ready: 'True/Running' }, 1);
      expect(container.status?.image).toBe('app:v1');
      expect((await podOf('drained'))?.metadata.uid).not.toBe(before?.metadata.uid);
    });
    states.clear();
    await good('drained', 'app:v8');
  });

  test('starts and upgrades beside others of any name, such as that of a trial', async () => {
    for (const name of ['acme', 'acme-trial']) await start(name, 'app:v1');
    for (const name of ['acme', 'acme-trial']) await good(name, 'app:v1');
    for (const name of ['acme', 'acme-trial'])
      await client.mergePatch(hostedContainers, { name, namespace }, { spec: { image: 'app:v2' } });
    for (const name of ['acme', 'acme-trial']) await good(name, 'app:v2');
  });

  test('whose name is taken by a Pod of somebody else does not touch it', async () => {
    const foreign = await client.create(pods, {
      metadata: { name: 'taken', namespace },
      spec: { containers: [{ name: 'x', image: 'x' }] },
    });
    await start('taken', 'app:v1');
    await until(hostedContainers, 'taken', { Stalled: 'True/PodConflict' });
    expect((await podOf('taken'))?.metadata.uid).toBe(foreign.metadata.uid);
    await client.delete(pods, { name: 'taken', namespace }, { gracePeriodSeconds: 0 });
    // It looks again by itself after half a minute; this test does not wait for that.
    await eventually(() => {
      operator.reconcileAll();
      return until(hostedContainers, 'taken', { Stalled: 'False/NotStalled' }, 1);
    });
    await good('taken', 'app:v1');
  });
});

describe('the operator', () => {
  /** The names and revisions of everything that it could write. */
  async function revisions(): Promise<string[]> {
    const lists = await Promise.all(
      [osImages, imageDistributions, hostedContainers, nodeStores, pods, nodes].map((it) =>
        client.list(it as Resource<KubeObject>),
      ),
    );
    return lists.flat().map((it) => `${it.kind} ${it.metadata.name} ${it.metadata.resourceVersion ?? ''}`);
  }

  test('writes nothing when nothing changes, however often it looks', async () => {
    await start('idle', 'app:v1');
    await good('idle', 'app:v1');
    await eventually(async () => {
      const before = await operator.counts();
      const seen = await revisions();
      for (let i = 0; i < 3; i++) {
        const { runs } = await operator.counts();
        operator.reconcileAll();
        await eventually(async () => expect((await operator.counts()).runs).toBeGreaterThan(runs + 10));
      }
      expect((await operator.counts()).writes).toBe(before.writes);
      expect(await revisions()).toEqual(seen);
    });
    expect((await revisions()).length).toBeGreaterThan(15);
  });

  test('that is ended at any step of an upgrade is continued by the next one', async () => {
    await start('survivor', 'app:v1');
    await good('survivor', 'app:v1');
    const restart = async () => {
      await operator.stop();
      await operator.start();
    };
    // While the old Pod stops.
    await kubelets.stop();
    const old = await podOf('survivor');
    await ask('survivor', 'app:v2');
    await eventually(async () => expect((await podOf('survivor'))?.metadata.deletionTimestamp).toBeDefined());
    await restart();
    // While no operator runs, the old Pod goes.
    await operator.stop();
    behaviours.set('app:v2', 'starting');
    kubelets.start();
    await eventually(async () => expect(await podOf('survivor')).toBeUndefined());
    await operator.start();
    const next = await eventually(async () => {
      const pod = await podOf('survivor');
      expect(pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ContainerCreating');
      return pod;
    });
    expect(next?.metadata.uid).not.toBe(old?.metadata.uid);
    // While the new Pod starts.
    await restart();
    behaviours.delete('app:v2');
    const done = await good('survivor', 'app:v2');
    expect((await podOf('survivor'))?.metadata.uid).toBe(next?.metadata.uid);
    expect(done.status?.history?.map((h) => `${h.image} ${h.outcome ?? ''}`)).toEqual([
      'app:v2 Succeeded',
      'app:v1 Succeeded',
    ]);
    expect(done.status?.failedImages ?? []).toEqual([]);
  });

  test('that is ended again and again during a revert still makes one attempt and one revert', async () => {
    await start('tough', 'app:v1');
    await good('tough', 'app:v1');
    await provide('app:v4');
    behaviours.set('app:v4', 'crashes');
    await ask('tough', 'app:v4');
    for (let i = 0; i < 6; i++) {
      await operator.stop();
      await operator.start();
    }
    const back = await until(hostedContainers, 'tough', { Ready: 'True/Running', Upgraded: 'False/Reverted' });
    expect(back.spec.image).toBe('app:v1');
    expect(back.status?.failedImages?.map((f) => `${f.image} ${f.attempts}`)).toEqual(['app:v4 1']);
    expect(back.status?.history?.map((h) => `${h.image} ${h.outcome ?? ''}`)).toEqual([
      'app:v4 Reverted',
      'app:v1 Succeeded',
    ]);
    await eventually(async () =>
      expect((await eventsOf('tough')).filter((reason) => reason === 'UpgradeReverted').length).toBeLessThanOrEqual(1),
    );
  });
});

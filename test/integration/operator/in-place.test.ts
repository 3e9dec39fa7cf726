import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { nodes } from '../../../src/kube/resources.ts';
import { eventually } from '../eventually.ts';
import { nodeNames, objectName, openStage } from './stage.ts';

/** Upgrades in place: the patch of the operator, with its rights and under its policies, by a real API server. */

const stage = await openStage();
const { client, ask, good, podOf, until, kubelets, operator, behaviours } = stage;
const name = 'web';
afterAll(() => stage.close());

beforeAll(async () => {
  stage.behaviour.directMounts = true;
  for (const image of ['app:v1', 'app:v2', 'app:v3']) {
    await stage.createImage(image);
    await stage.distribute(image);
    await until(imageDistributions, objectName(image), { Ready: 'True/AllNodes' });
  }
  await eventually(async () => {
    expect(await client.list(nodes, { labelSelector: 'monoroot.dev/direct-mounts=true' })).toHaveLength(
      nodeNames.length,
    );
  });
  await ask(name, 'app:v1', { mounts: 'Direct' });
  await good(name, 'app:v1');
});

const version = (list: string | undefined) => (JSON.parse(list ?? '{}') as { version?: string }).version;
/** What of the Pod says what it has mounted, and what it had. */
async function mounted() {
  const { 'monoroot.dev/mounts': now, 'monoroot.dev/mounts-before': before } = (await podOf(name))?.metadata.annotations ?? {}; // prettier-ignore
  return [version(now), version(before)];
}
const uidOf = async () => (await podOf(name))?.metadata.uid;

test('an upgrade patches the Pod, by the operator and as its policy allows', async () => {
  const before = (await podOf(name))?.metadata;
  await ask(name, 'app:v2', { mounts: 'Direct' });
  const container = await good(name, 'app:v2');
  const pod = await podOf(name);
  expect(pod?.metadata.uid).toBe(before?.uid);
  expect(pod?.metadata.generation).toBe((before?.generation ?? 0) + 1);
  expect(pod?.spec.containers[0]?.image).toMatch(/^localhost\/scaffold-merged:app.v2-[0-9a-f]{12}@sha256:f+$/);
  expect(pod?.metadata.labels?.['monoroot.dev/image']).toBe('app.v2');
  expect(await mounted()).toEqual(['v2', 'v1']);
  expect(container.status?.restarts).toBe(0);
});

test('an operator that starts between the patch and the restart of the container goes on from the Pod', async () => {
  const uid = await uidOf();
  await kubelets.stop();
  await ask(name, 'app:v1', { mounts: 'Direct' });
  await eventually(async () => expect(await mounted()).toEqual(['v1', 'v2']));
  await operator.stop();
  await operator.start();
  const waiting = await until(hostedContainers, name, { Ready: 'True/Running', Upgraded: 'Unknown/InProgress' });
  expect(waiting.status).toMatchObject({ image: 'app:v2', lastKnownGoodImage: 'app:v2' });
  kubelets.start();
  await good(name, 'app:v1');
  expect(await uidOf()).toBe(uid);
});

test('a version that fails is reverted by another patch, and the ledger and history say so', async () => {
  const uid = await uidOf();
  behaviours.set('app:v3', 'crashes');
  await ask(name, 'app:v3', { mounts: 'Direct' });
  const reverted: HostedContainer = await until(hostedContainers, name, {
    Ready: 'True/Running',
    Upgraded: 'False/Reverted',
  });
  expect(await uidOf()).toBe(uid);
  expect(reverted.spec.image).toBe('app:v1');
  expect(reverted.status).toMatchObject({ image: 'app:v1', lastKnownGoodImage: 'app:v1', restarts: 0 });
  expect(reverted.status?.failedImages).toMatchObject([{ image: 'app:v3', reason: 'CrashLooping', attempts: 1 }]);
  expect(reverted.status?.history?.slice(0, 2)).toMatchObject([
    { image: 'app:v3', outcome: 'Reverted' },
    { image: 'app:v1', outcome: 'Succeeded' },
  ]);
  expect(await mounted()).toEqual(['v1', 'v3']);
});

test('two upgrades in a row end on the second, in the same Pod', async () => {
  const uid = await uidOf();
  behaviours.clear();
  await ask(name, 'app:v2', { mounts: 'Direct' });
  await ask(name, 'app:v3', { mounts: 'Direct', upgrade: { minReadySeconds: 0, progressDeadlineSeconds: 60, maxRestarts: 3, retryToken: 'again' } }); // prettier-ignore
  await good(name, 'app:v3');
  expect(await uidOf()).toBe(uid);
});

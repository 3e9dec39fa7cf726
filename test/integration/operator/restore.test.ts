import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { pods as podsOfAll } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { eventually } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, namespace, behaviours, operator, createImage, distribute, ask, until, good, podOf, eventsOf } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

/** While no operator is there, the status of a container is lost, as by a restore without it. */
async function loseStatus(name: string, ...meanwhile: (() => Promise<unknown>)[]): Promise<void> {
  await operator.stop();
  for (const change of meanwhile) await change();
  const lost = { status: { conditions: null } };
  const fields = (await client.get(hostedContainers, { name, namespace }))?.status ?? {};
  for (const field of Object.keys(fields)) Object.assign(lost.status, { [field]: null });
  await client.mergePatch(hostedContainers, { name, namespace }, lost, { subresource: 'status' });
  expect((await client.get(hostedContainers, { name, namespace }))?.status ?? {}).toEqual({});
  await operator.start();
}
const uidOf = async (name: string) => (await podOf(name))?.metadata.uid;

describe('a restore without status', () => {
  beforeAll(async () => {
    for (const image of ['app:v1', 'app:v2']) {
      await createImage(image);
      await distribute(image, { activate: { newContainers: image === 'app:v1' } });
    }
    for (const image of ['app:v1', 'app:v2'])
      await until(imageDistributions, objectName(image), { Ready: 'True/AllNodes' });
  });

  test('restarts no one: what runs is what it was, also when another version is the default by now', async () => {
    await ask('fixed', 'app:v1');
    await ask('follows', 'app');
    await good('fixed', 'app:v1');
    await good('follows', 'app:v1');
    const pods = [await uidOf('fixed'), await uidOf('follows')];
    const activate = () =>
      client.mergePatch(imageDistributions, { name: 'app.v2' }, { spec: { activate: { newContainers: true } } });
    await loseStatus('follows', activate);
    await loseStatus('fixed');
    await until(imageDistributions, 'app.v2', { Activated: 'True/NewContainers' });
    await good('fixed', 'app:v1');
    const follower = await good('follows', 'app:v1');
    expect(follower.status?.assignedImage).toBe('app:v1');
    expect(findCondition(follower.status?.conditions, 'ImageResolved')?.message).toContain('which is v2');
    expect([await uidOf('fixed'), await uidOf('follows')]).toEqual(pods);
    expect((await eventsOf('fixed')).filter((reason) => /Failed|Revert|Upgrade/.test(reason ?? ''))).toEqual([]);
  });

  test('leaves a container that is to go to another version its way back', async () => {
    await ask('asks', 'app:v1');
    await good('asks', 'app:v1');
    behaviours.set('asks app:v2', 'crashes');
    await loseStatus('asks', () => ask('asks', 'app:v2'));
    const back = await until(hostedContainers, 'asks', { Ready: 'True/Running', Upgraded: 'False/Reverted' });
    expect(back.status).toMatchObject({ image: 'app:v1', lastKnownGoodImage: 'app:v1' });
    expect(back.status?.failedImages?.map(({ image, attempts }) => `${image} ${attempts}`)).toEqual(['app:v2 1']);
    expect(back.spec.image).toBe('app:v1');
  });

  test('and without Pods starts each as a new one', async () => {
    await ask('alone', 'app:v1');
    await good('alone', 'app:v1');
    const before = await uidOf('alone');
    const remove = async () => {
      await client.delete(hostedContainers, { name: 'alone', namespace });
      const pod = await podOf('alone');
      if (pod) await client.delete(podsOfAll, pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 });
      await eventually(async () => expect(await podOf('alone')).toBeUndefined());
      await ask('alone', 'app:v1');
    };
    await loseStatus('alone', remove);
    const again = await good('alone', 'app:v1');
    expect(await uidOf('alone')).not.toBe(before);
    expect(again.status?.failedImages ?? []).toEqual([]);
  });
});

import { afterAll, expect, test } from 'vitest';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { eventually } from '../eventually.ts';
import { openStage } from './stage.ts';

// What counts against an image: one distribution that is edited, over followers of which some were down before.
const stage = await openStage();
const { client, namespace, behaviours, createImage, distribute, ask, until, good } = stage;
afterAll(() => stage.close());

const names = Array.from({ length: 20 }, (_, i) => `f-${String(i).padStart(2, '0')}`);
const broken = ['f-00', 'f-08', 'f-15'];

test('three of twenty that were broken before keep no version from the others, and condemn none', async () => {
  for (const image of ['fleet:v1', 'fleet:v2']) await createImage(image);
  await distribute('fleet:v1', { activate: { newContainers: true } });
  await until(imageDistributions, 'fleet.v1', { Ready: 'True/AllNodes' });
  await Promise.all(names.map((name) => ask(name, 'fleet')));
  for (const name of names) await good(name, 'fleet:v1');

  for (const name of broken) {
    for (const image of ['fleet:v1', 'fleet:v2']) behaviours.set(`${name} ${image}`, 'crashes');
    await ask(name, 'fleet', { args: ['--mistaken'] });
  }
  for (const name of broken) await until(hostedContainers, name, { Ready: 'False/CrashLooping' });

  const existingContainers = { maxUnavailable: 4, maxFailures: 1, canary: { count: 1, soakSeconds: 0 } };
  const spec = { image: 'fleet:v2', activate: { newContainers: true, existingContainers } };
  await client.mergePatch(imageDistributions, { name: 'fleet.v1' }, { spec });
  const done = await until(
    imageDistributions,
    'fleet.v1',
    { Ready: 'True/RolledOut', RolloutHalted: 'False/NotHalted', Stalled: 'False/Settled' },
    90,
  );
  expect(done.status?.containers).toMatchObject({ following: 20, updated: 17, reverted: 3 });
  const image = await client.get(osImages, { name: 'fleet.v2' });
  expect(findCondition(image?.status?.conditions, 'Condemned')?.status).toBe('False');
  await eventually(async () => {
    const all = await client.list(hostedContainers, { namespace });
    const ledgers = all.flatMap(({ metadata, status }) =>
      (status?.failedImages ?? []).map((it) => [metadata.name, it.image, it.unavailableBefore]),
    );
    expect(ledgers.sort()).toEqual(broken.map((name) => [name, 'fleet:v2', true]));
  });
});

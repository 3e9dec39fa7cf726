import { describe, expect, test } from 'vitest';
import { World } from '../../../test/fixtures/world.ts';
import { world } from '../../../test/fixtures/upgrading.ts';

describe('a container that follows the default version', () => {
  const follower = () => {
    const w = world({ image: 'os' });
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    return w;
  };
  const told = (w: World) => w.object.status?.conditions?.find((c) => c.type === 'ImageResolved')?.message;

  test('says what moves it when the default is another', () => {
    const w = follower();
    expect(told(w)).toBe('Follows the default version of os: v1');
    w.defaults.set('os', 'v2');
    w.settle();
    expect(told(w)).toContain('which is v2, and stays at v1 until it is moved. No ImageDistribution moves it there');
    w.mover = 'os.v2';
    w.settle();
    expect(told(w)).toContain('ImageDistribution os.v2 moves it there');
  });

  test('that failed with what a rollout assigned keeps the good one, also when it is edited', () => {
    const w = follower();
    w.behaviours.set('os:v2', 'crashes');
    const assigned = { assignedImage: 'os:v2', assignedTime: '2026-01-01T00:00:00Z', assignedRetryToken: 'a' };
    w.object = { ...w.object, status: { ...w.object.status, ...assigned } };
    w.pass(30);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1', assignedRetryToken: 'a' });
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    w.edit({ args: ['-x'] });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.object.status?.failedImages).toHaveLength(1);
  });

  test.each([true, false])(
    'remembers whether it was available when it was assigned what failed (%s)',
    (unavailable) => {
      const w = follower();
      w.behaviours.set('os:v2', 'crashes');
      const assigned = { assignedImage: 'os:v2', assignedWhileUnavailable: unavailable };
      w.object = { ...w.object, status: { ...w.object.status, ...assigned } };
      w.pass(30);
      expect(w.object.status?.failedImages?.map((it) => it.unavailableBefore ?? false)).toEqual([unavailable]);
    },
  );

  test('tries again what failed when it is assigned with another retry token', () => {
    const w = follower();
    w.behaviours.set('os:v2', 'crashes');
    const assign = (assignedRetryToken: string) => {
      w.object = { ...w.object, status: { ...w.object.status, assignedImage: 'os:v2', assignedRetryToken } };
    };
    assign('');
    w.pass(30);
    w.behaviours.delete('os:v2');
    assign('');
    w.pass(30);
    expect(w.image).toBe('os:v1');
    assign('fixed');
    w.pass(30);
    expect(w.image).toBe('os:v2');
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('that names a version gives up what the rollout has written', () => {
    const w = follower();
    w.object = { ...w.object, status: { ...w.object.status, assignedTime: '2026-01-01T00:00:00Z' } };
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(w.actions.filter(({ type }) => type === 'Unassign')).toHaveLength(1);
    expect(w.object.status).toMatchObject({ image: 'os:v2' });
    expect(w.object.status?.assignedImage).toBeUndefined();
    expect(w.object.status?.assignedTime).toBeUndefined();
  });
});

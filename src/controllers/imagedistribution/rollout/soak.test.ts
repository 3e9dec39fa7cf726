import { describe, expect, test } from 'vitest';
import { Followers, past } from '../../../../test/fixtures/followers.ts';

const gate = (name: string, failureLimit = 0) => ({
  name,
  webhook: { url: 'http://gate/' },
  intervalSeconds: 30,
  timeoutSeconds: 10,
  failureLimit,
});

describe('gates', () => {
  const soaking = (failureLimit = 0) => {
    const f = new Followers(4, { canary: { count: 1, soakSeconds: 100 }, gates: [gate('a'), gate('b', failureLimit)] });
    return past(f);
  };
  const answer = (name: string, holds: boolean) => ({ name, holds, message: holds ? 'fine' : 'error rate 7 %' });

  test('are asked when a soak begins, and then as often as they say', () => {
    const f = soaking();
    expect(f.steps().queries.map(({ name }) => name)).toEqual(['a', 'b']);
    f.answers = [answer('a', true), answer('b', true)];
    const plan = f.step();
    expect(plan.rollout?.gates).toMatchObject([{ name: 'a', holds: true, failures: 0 }, { name: 'b' }]);
    expect(plan.requeueTime).toEqual(new Date('2026-01-01T00:00:30Z'));
    f.pass(29);
    expect(f.steps().queries).toEqual([]);
    f.pass(1);
    expect(f.steps().queries).toHaveLength(2);
  });

  test('must hold at the end', () => {
    const f = soaking(3);
    f.pass(0);
    f.answers = [answer('a', true), answer('b', true)];
    f.step();
    f.pass(100);
    f.answers = [answer('a', true), answer('b', false)];
    expect(f.step().message).toContain('gate b does not hold (error rate 7 %)');
    expect(f.assigned).toHaveLength(1);
    f.pass(30);
    f.answers = [answer('a', true), answer('b', true)];
    f.step();
    f.steps();
    expect(f.assigned).toHaveLength(3);
    expect(f.distribution.status?.rollout?.gates).toBeUndefined();
  });

  test('that fail more often than is tolerated halt it, and the image is not condemned', () => {
    const f = soaking(1);
    f.answers = [answer('a', true), answer('b', false)];
    expect(f.step().reason).toBe('RollingOut');
    f.pass(30);
    f.answers = [answer('a', true), answer('b', false)];
    const plan = f.step();
    expect(plan.reason).toBe('RolloutHalted');
    expect(plan.rollout).toMatchObject({
      haltReason: 'GateFailed',
      haltMessage: 'Gate b failed 2 times, last: error rate 7 %',
    });
    expect(plan.condemn).toBeUndefined();
    f.set({ retryToken: '1' });
    f.step();
    expect(f.step().reason).toBe('RollingOut');
  });
});

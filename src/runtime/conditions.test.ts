import { describe, expect, test } from 'vitest';
import {
  findCondition,
  isFalse,
  isTrue,
  kstatus,
  longestMessage,
  removeConditions,
  setCondition,
  setConditions,
} from './conditions.ts';
import type { Condition, NewCondition } from './conditions.ts';

const early = new Date('2026-01-01T00:00:00.123Z');
const late = new Date('2026-01-02T00:00:00Z');
const ready: NewCondition = {
  type: 'Ready',
  status: 'True',
  reason: 'Running',
  message: 'Runs',
  observedGeneration: 1,
};
const before: Condition[] = [{ ...ready, lastTransitionTime: '2026-01-01T00:00:00Z' }];

describe('setCondition', () => {
  test('adds a condition with the time in whole seconds', () => {
    expect(setCondition(undefined, ready, early)).toEqual(before);
  });

  test.each<[string, Partial<NewCondition>, string]>([
    ['nothing changes', {}, '2026-01-01T00:00:00Z'],
    [
      'reason, message and generation change',
      { reason: 'R', message: 'm', observedGeneration: 2 },
      '2026-01-01T00:00:00Z',
    ],
    ['status changes', { status: 'False' }, '2026-01-02T00:00:00Z'],
  ])('when %s', (_case, change, lastTransitionTime) => {
    expect(setCondition(before, { ...ready, ...change }, late)).toEqual([{ ...ready, ...change, lastTransitionTime }]);
  });

  test('sorts by type, so that the same conditions are the same list', () => {
    const list = ['Stalled', 'Accepted', 'Ready'].reduce<Condition[]>(
      (conditions, type) => setCondition(conditions, { ...ready, type }, early),
      [],
    );
    expect(list.map(({ type }) => type)).toEqual(['Accepted', 'Ready', 'Stalled']);
  });

  test('leaves the list that it was given alone', () => {
    setCondition(Object.freeze([...before]), { ...ready, status: 'Unknown' }, late);
    expect(before[0]?.status).toBe('True');
  });
});

test('setting several is setting each, about one generation', () => {
  const stalled = { type: 'Stalled', status: 'False', reason: 'Settled', message: '' } as const;
  const list = setConditions(before, [stalled, { ...ready, status: 'False' }], 7, late);
  expect(list.map((it) => [it.type, it.status, it.observedGeneration, it.lastTransitionTime])).toEqual([
    ['Ready', 'False', 7, '2026-01-02T00:00:00Z'],
    ['Stalled', 'False', 7, '2026-01-02T00:00:00Z'],
  ]);
  expect(before[0]?.status).toBe('True');
});

test.each([
  ['Done', { Reconciling: 'False/Settled', Stalled: 'False/Settled' }],
  ['Going', { Reconciling: 'True/Waits', Stalled: 'False/Settled' }],
  ['Failed', { Reconciling: 'False/Settled', Stalled: 'True/Waits' }],
] as const)('what is %s is reported as kstatus wants it', (progress, expected) => {
  const stated = kstatus({ ...ready, status: 'False', reason: 'Waits' }, progress);
  expect(Object.fromEntries(stated.map(({ type, status, reason }) => [type, `${status}/${reason}`]))).toEqual(expected);
});

test('reading conditions', () => {
  const unknown: Condition[] = [{ ...ready, status: 'Unknown', lastTransitionTime: '' }];
  expect(findCondition(before, 'Ready')?.reason).toBe('Running');
  expect(findCondition(undefined, 'Ready')).toBeUndefined();
  expect([isTrue(before, 'Ready'), isTrue(unknown, 'Ready'), isTrue([], 'Ready')]).toEqual([true, false, false]);
  expect([isFalse(before, 'Ready'), isFalse(unknown, 'Ready'), isFalse([], 'Ready')]).toEqual([false, false, false]);
  expect(removeConditions(before, 'Stalled', 'Ready')).toEqual([]);
});

test('what others say at any length is cut so that the API server takes it, and still says what to do', () => {
  const message = `a webhook said: ${'x'.repeat(100_000)}. Change the policy`;
  const [{ message: told } = ready] = setConditions([], [{ ...ready, message }], 1, late);
  expect(told.length).toBeLessThanOrEqual(longestMessage);
  expect([told.startsWith('a webhook said: xxx'), told.endsWith('xxx. Change the policy')]).toEqual([true, true]);
  expect(
    setConditions([{ ...ready, message: told, lastTransitionTime: '' }], [{ ...ready, message }], 1, late)[0],
  ).toMatchObject({ message: told });
});

import { describe, expect, test } from 'vitest';
import type { Condition } from './conditions.ts';
import { actThenWriteStatus, expectValidStatus, sameStatus } from './status.ts';

const condition: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Running',
  message: 'Runs',
  observedGeneration: 2,
  lastTransitionTime: '2026-01-01T00:00:00Z',
};

describe('actThenWriteStatus', () => {
  interface Status {
    text: string;
  }
  /** Runs it with an action and a write that may fail; gives what was written and what was thrown. */
  async function run(observed: string, actFailure?: Error, writeFailure?: Error) {
    const written: string[] = [];
    const thrown = await actThenWriteStatus<Status>({
      observed: { text: observed },
      act: () => (actFailure ? Promise.reject(actFailure) : Promise.resolve()),
      status: (error) => ({ text: error instanceof Error ? error.message : 'good' }),
      write: ({ text }) => {
        written.push(text);
        return writeFailure ? Promise.reject(writeFailure) : Promise.resolve();
      },
    }).catch((error: unknown) => error);
    return { written, thrown };
  }
  const failure = new Error('broken');
  const unwritten = new Error('unwritten');

  test('writes a status that differs', async () => {
    expect(await run('old')).toEqual({ written: ['good'], thrown: undefined });
  });
  test('writes nothing when nothing differs', async () => {
    expect(await run('good')).toEqual({ written: [], thrown: undefined });
  });
  test('writes a status that knows of the failure, and throws the failure', async () => {
    expect(await run('old', failure)).toEqual({ written: ['broken'], thrown: failure });
  });
  test('throws what the writing threw', async () => {
    expect((await run('old', undefined, unwritten)).thrown).toBe(unwritten);
  });
  test('throws both failures as one that is retried', async () => {
    const { thrown } = await run('old', failure, unwritten);
    expect(thrown).toBeInstanceOf(AggregateError);
    expect(thrown).toMatchObject({ errors: [failure, unwritten] });
  });
});

test.each<[string, boolean, unknown, unknown]>([
  ['a member that is undefined is absent', true, { a: 1, b: undefined }, { a: 1 }],
  ['members have no order', true, { a: 1, b: 2 }, { b: 2, a: 1 }],
  [
    'conditions have no order',
    true,
    { conditions: [{ type: 'A' }, { type: 'B' }] },
    { conditions: [{ type: 'B' }, { type: 'A' }] },
  ],
  ['other lists have one', false, { list: [1, 2] }, { list: [2, 1] }],
  ['depth counts', false, { a: { b: [{ c: 1 }] } }, { a: { b: [{ c: 2 }] } }],
  ['a longer list is another', false, { list: [1] }, { list: [1, 2] }],
  ['a list is no object', false, { list: [] }, { list: {} }],
  ['a member that only the one has', false, { a: 1 }, { a: 1, b: 2 }],
  ['a member that only the other has', false, { a: 1, b: 2 }, { a: 1 }],
  ['a member that both have not', true, { a: undefined }, { b: undefined }],
  ['null is not absent', false, { a: null }, {}],
  ['a lone surrogate is what is stored for it', true, { a: 'b\ud800' }, { a: 'b\ufffd' }],
  ['a text is not the number', false, { a: '1' }, { a: 1 }],
  [
    'a condition that differs, wherever it is',
    false,
    { conditions: [{ type: 'A', status: 'True' }, { type: 'B' }] },
    { conditions: [{ type: 'B' }, { type: 'A', status: 'False' }] },
  ],
  ['nothing is not an empty status', false, undefined, {}],
])('sameStatus: %s', (_rule, same, a, b) => {
  expect(sameStatus(a, b)).toBe(same);
});

describe('expectValidStatus', () => {
  const object = (change: Partial<Condition> = {}, observedGeneration: number | undefined = 2) => ({
    metadata: { name: 'one', generation: 2 },
    status: { observedGeneration, conditions: [{ ...condition, ...change }] },
  });

  test('accepts a good status', () => {
    expect(() => expectValidStatus(object())).not.toThrow();
  });
  test.each<[string, Parameters<typeof expectValidStatus>[0]]>([
    ['no status', { metadata: { name: 'one' } }],
    ['no condition Ready', object({ type: 'Stalled' })],
    ['is there twice', { ...object(), status: { observedGeneration: 2, conditions: [condition, condition] } }],
    [
      'both Reconciling and Stalled',
      {
        ...object(),
        status: {
          observedGeneration: 2,
          conditions: ['Reconciling', 'Stalled', 'Ready'].map((type) => ({
            ...condition,
            type,
            status: 'True' as const,
          })),
        },
      },
    ],
    ['reason', object({ reason: 'not camel case' })],
    ['without a message', object({ status: 'False', message: '' })],
    ['is no time', object({ lastTransitionTime: 'yesterday' })],
    ['is no time', object({ lastTransitionTime: '2026-13-01T00:00:00Z' })],
    ['of the future', object({ observedGeneration: 3 })],
    ['of the future', object({}, 3)],
    ['observedGeneration is missing', { ...object(), status: { conditions: [condition] } }],
  ])('refuses one with this fault: %s', (fault, wrong) => {
    expect(() => expectValidStatus(wrong)).toThrow(fault);
  });
});

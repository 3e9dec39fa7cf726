import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createController } from './controller.ts';
import type { ReconcileOutcome, Result, Source } from './controller.ts';
import { ApiError } from './errors.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const logs: Record<string, unknown>[] = [];
const logger = pino(
  { level: 'debug', base: null },
  { write: (line: string) => void logs.push(JSON.parse(line) as Record<string, unknown>) },
);
const queueHooks = {
  depth: () => undefined,
  added: () => undefined,
  retried: () => undefined,
  waited: () => undefined,
  worked: () => undefined,
};

/** Runs a controller whose reconcile gives or throws these one after the other (then {}); key `ns/a` is added at the start. */
function start(answers: (Result | Error | Promise<Result>)[], sources: Source[] = []) {
  logs.length = 0;
  const runs: { at: number; name: string; namespace: string }[] = [];
  const outcomes: ReconcileOutcome[] = [];
  const stop = new AbortController();
  const began = performance.now();
  const controller = createController({
    name: 'test',
    sources,
    logger,
    workers: 2,
    hooks: { queue: queueHooks, reconciled: (outcome) => outcomes.push(outcome), workers: () => undefined },
    queue: { backoff: { initialMilliseconds: 100, maxMilliseconds: 1000 }, random: () => 0 },
    reconcile: ({ name, namespace }) => {
      runs.push({ at: performance.now() - began, name, namespace });
      const answer = answers.shift() ?? {};
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  controller.enqueue('ns/a');
  const ended = controller.run(stop.signal);
  return { controller, runs, outcomes, stop, ended, times: () => runs.map(({ at }) => at) };
}
const busy = new ApiError({ code: 429, reason: 'TooManyRequests', message: 'busy', retryAfterSeconds: 7 });
const conflict = new ApiError({ code: 409, reason: 'Conflict', message: 'changed' });

describe('what comes after a run', () => {
  test.each<[string, (Result | Error)[], number[], ReconcileOutcome[]]>([
    ['nothing after a success', [{}], [0], ['success']],
    ['another run when asked for', [{ requeueAfterSeconds: 30 }], [0, 30_000], ['requeue_after', 'success']],
    ['a run at once for a wait of 0', [{ requeueAfterSeconds: 0 }], [0, 0], ['requeue_after', 'success']],
    ['growing delays after errors', [new Error('1'), new Error('2')], [0, 100, 300], ['error', 'error', 'success']],
    ['the time that the server asks for', [busy], [0, 7000], ['error', 'success']],
    ['a retry after a lost race', [conflict], [0, 100], ['error', 'success']],
    [
      'a fresh back-off after a success',
      [new Error('1'), { requeueAfterSeconds: 10 }, new Error('2')],
      [0, 100, 10_100, 10_200],
      ['error', 'requeue_after', 'error', 'success'],
    ],
    [
      'the same growing delays where a run was postponed',
      [new Error('1'), { requeueAfterSeconds: 10, postponed: true }, new Error('2')],
      [0, 100, 10_100, 10_300],
      ['error', 'requeue_after', 'error', 'success'],
    ],
  ])('%s', async (_case, answers, times, outcomes) => {
    const run = start(answers);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(run.times()).toEqual(times);
    expect(run.outcomes).toEqual(outcomes);
    run.stop.abort();
    await run.ended;
  });
});

test('gives name and namespace, and logs failures with the controller, the object and an id of the run', async () => {
  const run = start([new Error('broken'), conflict]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(run.runs[0]).toMatchObject({ namespace: 'ns', name: 'a' });
  const failures = logs.filter(({ msg }) => msg === 'Reconciling failed');
  expect(failures).toMatchObject([
    { level: 50, controller: 'test', object: 'ns/a', err: { message: 'broken' } },
    { level: 20, controller: 'test', object: 'ns/a', err: { message: 'changed' } },
  ]);
  expect(failures[0]?.['reconcileID']).not.toBe(failures[1]?.['reconcileID']);
  run.stop.abort();
});

test('does not run before all sources have been read, and then for all that they found', async () => {
  const synced = Promise.withResolvers<undefined>();
  const source: Source = {
    name: 'source',
    synced: () => synced.promise,
    start: (add) => {
      add('ns/b');
      return () => undefined;
    },
  };
  const run = start([], [source]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(run.runs).toEqual([]);
  synced.resolve(undefined);
  await vi.advanceTimersByTimeAsync(0);
  expect(run.runs.map(({ name }) => name).sort()).toEqual(['a', 'b']);
  run.stop.abort();
  await run.ended;
});

test('ends when the run under way has ended', async () => {
  const slow = Promise.withResolvers<Result>();
  const run = start([slow.promise]);
  await vi.advanceTimersByTimeAsync(0);
  let ended = false;
  void run.ended.then(() => (ended = true));
  run.stop.abort();
  await vi.advanceTimersByTimeAsync(1000);
  expect(ended).toBe(false);
  slow.resolve({ requeueAfterSeconds: 1 });
  await vi.advanceTimersByTimeAsync(5000);
  expect(ended).toBe(true);
  expect(run.runs).toHaveLength(1);
});

test('a run tells why it was asked for: sources, a wait that is over, a failure', async () => {
  const told: unknown[] = [];
  const source = (name: string): Source => ({
    name,
    synced: () => Promise.resolve(),
    start: (add) => {
      add('ns/b');
      return () => undefined;
    },
  });
  const stop = new AbortController();
  const answers = [{ requeueAfterSeconds: 5 }, new Error('bad')];
  const controller = createController({
    name: 'test',
    sources: [source('pods'), source('nodes')],
    logger,
    reconcile: (_request, { logger: run }) => {
      told.push(run.bindings()['because']);
      const answer = answers.shift() ?? {};
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  const ended = controller.run(stop.signal);
  await vi.advanceTimersByTimeAsync(60_000);
  controller.enqueue('ns/b');
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual([['pods', 'nodes'], ['requeueAfter'], ['retry'], ['enqueued']]);
  stop.abort();
  await ended;
});

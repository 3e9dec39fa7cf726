import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createPreconditions } from './preconditions.ts';

/** Runs it over these answers, one a check and the last for ever; an Error is a check that fails. */
function start(...answers: (string | undefined | Error)[]) {
  const lines: { level: number; msg: string; problem?: string }[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let checks = 0;
  const holds: boolean[] = [];
  const check = () => {
    const answer = answers[Math.min(checks, answers.length - 1)];
    checks += 1;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const preconditions = createPreconditions({
    preconditions: [{ name: 'policy', check }],
    logger,
    checked: (_name, good) => void holds.push(good),
    retrySeconds: 0.001,
    longestRetrySeconds: 0.002,
    recheckSeconds: 0.001,
  });
  void preconditions.run(stop.signal);
  return { preconditions, lines, holds, checks: () => checks, stop };
}

test('what is broken keeps the process from being ready until it is repaired, and is said once', async () => {
  const { preconditions, lines, holds, stop } = start('it is open', 'it is open', 'it is open', undefined);
  expect(preconditions.problem()).toBe('not checked yet');
  await preconditions.met(stop.signal);
  expect(preconditions.problem()).toBeUndefined();
  expect(holds.slice(0, 4)).toEqual([false, false, false, true]);
  expect(lines.map(({ msg, problem }) => [msg, problem])).toEqual([
    ['Found a precondition broken', 'it is open'],
    ['Met again', undefined],
  ]);
});

test('what cannot be known is not wrong, and is said', async () => {
  const { preconditions, lines, holds, stop } = start(new Error('away'));
  await preconditions.met(stop.signal);
  expect([preconditions.problem(), holds]).toEqual([undefined, []]);
  expect(lines).toMatchObject([{ msg: 'Could not check a precondition', problem: 'Error: away' }]);
});

test('what was wrong stays so while it cannot be known', async () => {
  const { preconditions, checks } = start('it is open', new Error('away'));
  await expect.poll(checks).toBeGreaterThan(5);
  expect(preconditions.problem()).toBe('it is open');
});

test('what breaks later is reported later', async () => {
  const { preconditions, stop } = start(undefined, undefined, 'it is open');
  await preconditions.met(stop.signal);
  await expect.poll(preconditions.problem).toBe('it is open');
});

test('who waits goes on when the process ends', async () => {
  const { preconditions, stop } = start('it is open');
  const waiting = preconditions.met(stop.signal);
  stop.abort();
  await waiting;
  expect(preconditions.problem()).toBe('it is open');
});

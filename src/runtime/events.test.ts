import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createAllowance, createEventRecorder } from './events.ts';
import type { EventRecord } from './events.ts';

const object = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { namespace: 'ns', name, uid: `uid-${name}` },
});
const notice = (note: string) => ({ type: 'Normal', reason: 'Tested', note }) as const;

function setup(fail = () => false) {
  const clock = { milliseconds: 0 };
  const stored: EventRecord[] = [];
  const recorder = createEventRecorder({
    sink: {
      create: (event) => {
        if (fail()) return Promise.reject(new Error('refused'));
        stored.push(event);
        return Promise.resolve();
      },
    },
    reportingController: 'test',
    reportingInstance: 'test-0',
    logger: pino({ level: 'silent' }),
    now: () => clock.milliseconds,
    wallClock: () => new Date(clock.milliseconds),
  });
  return { clock, stored, recorder };
}

describe('an event recorder', () => {
  test('tells the same once in ten minutes', () => {
    const { clock, stored, recorder } = setup();
    for (const minute of [0, 5, 9.9, 10, 15]) {
      clock.milliseconds = minute * 60_000;
      recorder.record(object('a'), notice('same'));
    }
    expect(stored.map(({ eventTime }) => eventTime)).toEqual(['1970-01-01T00:00:00.000Z', '1970-01-01T00:10:00.000Z']);
  });

  test('takes another object, reason or note for something else, under a name of its own', () => {
    const { stored, recorder } = setup();
    recorder.record(object('a'), notice('one'));
    recorder.record(object('a'), notice('two'));
    recorder.record(object('a'), { ...notice('one'), reason: 'Failed' });
    recorder.record(object('b'), notice('one'));
    expect(new Set(stored.map(({ name }) => name)).size).toBe(4);
  });

  test('allows an object 25 at once and one each five minutes, and other objects the same', () => {
    const { clock, stored, recorder } = setup();
    const flood = (name: string, round: number) => {
      for (let i = 0; i < 100; i++) recorder.record(object(name), notice(`${round} ${i}`));
    };
    flood('a', 0);
    expect(stored).toHaveLength(25);
    clock.milliseconds += 11 * 60_000;
    flood('a', 1);
    expect(stored).toHaveLength(27);
    flood('b', 0);
    expect(stored).toHaveLength(52);
  });

  test('tells again what could not be stored', async () => {
    let failing = true;
    const { stored, recorder } = setup(() => failing);
    recorder.record(object('a'), notice('one'));
    await recorder.flush();
    failing = false;
    recorder.record(object('a'), notice('one'));
    await recorder.flush();
    expect(stored).toHaveLength(1);
  });
});

test('an allowance remembers only what is not full', () => {
  let now = 0;
  const allowance = createAllowance(2, 1000, () => now);
  expect([allowance.take('a'), allowance.take('a'), allowance.take('a')]).toEqual([true, true, false]);
  now = 1500;
  expect([allowance.take('a'), allowance.take('a')]).toEqual([true, false]);
  now = 10_000;
  allowance.take('b');
  expect(allowance.size).toBe(1);
});

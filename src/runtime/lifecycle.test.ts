import { pino } from 'pino';
import { expect, test } from 'vitest';
import { runTasks } from './lifecycle.ts';
import type { Task } from './lifecycle.ts';
import { aborted } from './time.ts';

const logger = pino({ level: 'silent' });
const until = (name: string, then?: () => Promise<void>): Task => ({
  name,
  run: async (signal) => {
    await aborted(signal);
    await then?.();
  },
});
const fails = (name: string): Task => ({ name, run: () => Promise.reject(new Error(`${name} failed`)) });
const never = () => new Promise<void>(() => undefined);

test('ends well when all tasks end after the signal', async () => {
  const stop = new AbortController();
  let cleaned = false;
  const cleanUp = async () => {
    await Promise.resolve();
    cleaned = true;
  };
  const running = runTasks({ tasks: [until('a', cleanUp), until('b')], signal: stop.signal, logger });
  stop.abort();
  await running;
  expect(cleaned).toBe(true);
});

test('a failing task stops the others and is what the caller hears of', async () => {
  let stopped = false;
  const other = until('other', () => {
    stopped = true;
    return Promise.reject(new Error('consequence'));
  });
  const running = runTasks({ tasks: [other, fails('broken')], signal: new AbortController().signal, logger });
  await expect(running).rejects.toThrow('broken failed');
  expect(stopped).toBe(true);
});

test('a task that ends by itself is a failure', async () => {
  const task = { name: 'short', run: () => Promise.resolve() };
  const running = runTasks({ tasks: [task], signal: new AbortController().signal, logger });
  await expect(running).rejects.toThrow('Task short ended although no one stopped it');
});

test('does not wait longer than the grace time, and says for whom', async () => {
  const tasks = [until('quick'), until('stuck', never)];
  const running = runTasks({ tasks, signal: AbortSignal.abort(), logger, graceSeconds: 0.05 });
  await expect(running).rejects.toThrow('Tasks did not stop in time: stuck');
});

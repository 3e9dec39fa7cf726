import { expect, test } from 'vitest';
import { waitFor } from './wait.ts';

test('gives what came of it, after looks that waited or threw', async () => {
  const looks = [() => ({ waiting: 'starting' }), () => { throw new Error('connection refused'); }, () => ({ done: 42 })]; // prettier-ignore
  const look = () => Promise.resolve().then(() => (looks.shift() ?? (() => ({ waiting: 'too often' })))());
  expect(await waitFor('An answer comes', look, { seconds: 5, interval: 0.001 })).toBe(42);
});

test('says after the time what it saw last, and why', async () => {
  const look = () => Promise.reject(new Error('connection refused'));
  const explain = () => Promise.resolve('Ready  False  CrashLooping');
  const waiting = waitFor('An answer comes', look, { seconds: 0.01, interval: 0.001, explain });
  await expect(waiting).rejects.toThrow(
    /An answer comes: not within .*connection refused\nReady {2}False {2}CrashLooping/s,
  );
});

test('an explanation that fails hides nothing', async () => {
  const look = () => Promise.resolve({ waiting: 'no Pod' });
  const explain = () => Promise.reject(new Error('no API server'));
  const waiting = waitFor('A Pod comes', look, { seconds: 0.01, interval: 0.001, explain });
  await expect(waiting).rejects.toThrow(/no Pod\nno API server/);
});

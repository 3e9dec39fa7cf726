import { expect, test } from 'vitest';
import { FetchRunner } from './runner.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';

/** A runner whose fetches go on until they are stopped or told to end. */
function runnerOf() {
  const log: string[] = [];
  const running = new Map<string, { end: () => void; progress: (bytes: number) => void }>();
  const clock = { now: 0 };
  const runner = new FetchRunner({
    fetch: (image, signal, onProgress) =>
      new Promise<void>((resolve, reject) => {
        running.set(image.version, { end: resolve, progress: (downloadedBytes) => onProgress({ downloadedBytes }) });
        signal.addEventListener('abort', () => {
          log.push(`${image.version} stopped`);
          reject(new Error('stopped'));
        });
      }),
    ended: ({ version }) => log.push(`${version} ended`),
    changed: () => undefined,
    now: () => new Date(clock.now),
  });
  for (const version of ['v1', 'v2', 'v3']) runner.start(desiredImage(version), '');
  const keys = () => runner.current.map(({ key }) => key);
  return { runner, running, log, clock, keys };
}

test('cancelling one fetch leaves the others alone', async () => {
  const { runner, running, log, keys } = runnerOf();
  await runner.cancel('debian-12:v2');
  expect([keys(), log]).toEqual([['debian-12:v1', 'debian-12:v3'], ['v2 stopped']]);
  running.get('v1')?.end();
  await expect.poll(keys).toEqual(['debian-12:v3']);
  expect(log).toEqual(['v2 stopped', 'v1 ended']);
  await runner.cancel('debian-12:v9');
});

test('a stop ends all of them, and none is reported as ended', async () => {
  const { runner, log, keys } = runnerOf();
  await runner.stop();
  expect([keys(), log]).toEqual([[], ['v1 stopped', 'v2 stopped', 'v3 stopped']]);
});

test('an image is not fetched twice at once', () => {
  expect(() => runnerOf().runner.start(desiredImage('v1'), '')).toThrow('debian-12:v1 is being fetched');
});

test('each tells its own bytes, every five seconds at most', () => {
  const { runner, running, clock } = runnerOf();
  const bytes = () => runner.current.map(({ downloadedBytes }) => downloadedBytes);
  running.get('v2')?.progress(7);
  expect(bytes()).toEqual([0, 0, 0]);
  clock.now = 5000;
  running.get('v2')?.progress(8);
  running.get('v3')?.progress(9);
  expect(bytes()).toEqual([0, 8, 9]);
});

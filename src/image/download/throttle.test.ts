import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { onThisMachine, serve, serveBytes } from '../../../test/fixtures/agent/server.ts';
import { openHttp } from './http.ts';
import { createThrottle } from './throttle.ts';
import type { Throttle } from './throttle.ts';

const { signal } = new AbortController();

/** A clock that goes on only when somebody sleeps, or by hand. */
function handClock() {
  const clock = {
    milliseconds: 0,
    now: () => clock.milliseconds,
    sleep: (milliseconds: number) => {
      clock.milliseconds += milliseconds;
      return Promise.resolve();
    },
  };
  return clock;
}

test('bytes take their time, whatever the size of the pieces', async () => {
  for (const piece of [1, 100, 1000, 50_000]) {
    const clock = handClock();
    const throttle = createThrottle(1000, clock);
    for (let bytes = 0; bytes < 50_000; bytes += piece) await throttle(piece, signal);
    expect(clock.now()).toBeCloseTo(50_000);
  }
});

test('two downloads that share one throttle share its rate', async () => {
  const clock = handClock();
  const throttle = createThrottle(1000, clock);
  for (let i = 0; i < 10; i++) await Promise.all([throttle(500, signal), throttle(500, signal)]);
  expect(clock.now()).toBeGreaterThanOrEqual(10_000);
});

test('of the time in which nothing came, one second is made up for', async () => {
  const clock = handClock();
  const throttle = createThrottle(1000, clock);
  clock.milliseconds = 60_000;
  await throttle(1000, signal);
  expect(clock.now()).toBe(60_000);
  await throttle(1000, signal);
  expect(clock.now()).toBe(61_000);
});

test('a download goes no faster than its throttle, and all of it comes', async () => {
  const content = Buffer.alloc(1_000_000, 'x');
  const clock = handClock();
  const throttle = createThrottle(100_000, clock);
  const download = await openHttp(`${await serveBytes(content)}/a.tar`, { signal, throttle, reach: onThisMachine });
  let bytes = 0;
  for await (const chunk of download.body) bytes += chunk.length;
  await download.close();
  expect(bytes).toBe(content.length);
  expect(clock.now()).toBeCloseTo(10_000);
});

test('a server is slowed down by not being read', async () => {
  const content = Buffer.alloc(64_000_000);
  let sent = 0;
  const origin = await serve((_request, response) => {
    const more = () => {
      while (sent < content.length) {
        sent += 100_000;
        if (!response.write(content.subarray(0, 100_000))) return;
      }
      response.end();
    };
    response.on('drain', more);
    more();
  });
  let [received, ahead] = [0, 0];
  const throttle: Throttle = (bytes) => {
    received += bytes;
    ahead = Math.max(ahead, sent - received);
    // Time enough for all of it, if it were taken.
    return received < 2_000_000 ? setTimeout(20) : Promise.resolve();
  };
  const download = await openHttp(`${origin}/a.tar`, { signal, throttle, reach: onThisMachine });
  for await (const chunk of download.body) expect(chunk.length).toBeGreaterThan(0);
  await download.close();
  expect(received).toBe(content.length);
  // What the buffers of two sockets hold.
  expect(ahead).toBeLessThan(content.length / 2);
});

test('the clock of a real throttle is that of the machine, and being stopped ends the wait', async () => {
  const throttle = createThrottle(10_000);
  const started = performance.now();
  await throttle(2_000, signal);
  expect(performance.now() - started).toBeGreaterThan(190);
  const stop = new AbortController();
  setImmediate(() => stop.abort());
  await throttle(10_000_000, stop.signal);
  expect(stop.signal.aborted).toBe(true);
});

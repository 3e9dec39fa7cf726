import { createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { holdPresence } from './presence.ts';

test('each registration has a connection of its own, and there is none without', { timeout: 20_000 }, async () => {
  const path = join(temporaryDirectory(), 'mounts.sock');
  let [made, open] = [0, 0];
  const server = createServer((connection) => {
    made += 1;
    open += 1;
    connection.resume();
    connection.on('error', () => undefined);
    connection.once('close', () => (open -= 1));
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const stop = new AbortController();
  let registration: number | undefined = 1;
  const held = holdPresence(path, () => registration, pino({ level: 'silent' }), stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await held;
    server.close();
  });
  const become = (...expected: [number, number]) =>
    vi.waitFor(() => expect([made, open]).toEqual(expected), { timeout: 10_000 });
  await become(1, 1);
  registration = 2;
  await become(2, 1);
  registration = undefined;
  await become(2, 0);
});

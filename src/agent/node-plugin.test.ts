import { connect } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { graceMilliseconds, listenForPlugin } from './node-plugin.ts';

test('a plugin answers while it is connected, and for some seconds after that if it did before', async () => {
  const path = join(temporaryDirectory(), 'run/mounts.sock');
  let time = 0;
  let changes = 0;
  const plugin = await listenForPlugin(
    path,
    () => (changes += 1),
    () => time,
  );
  onTestFinished(() => plugin.close());
  const both = () => [plugin.answers(false), plugin.answers(true)];
  // An agent that starts believes what it reported before until the plugin had time to connect.
  expect(both()).toEqual([false, true]);
  const connection = connect(path);
  await once(connection, 'connect');
  await vi.waitFor(() => expect(changes).toBe(1));
  time = 1e9;
  expect(both()).toEqual([true, true]);
  connection.destroy();
  await vi.waitFor(() => expect(plugin.answers(false)).toBe(false));
  expect(both()).toEqual([false, true]);
  time += graceMilliseconds;
  expect(both()).toEqual([false, false]);
});

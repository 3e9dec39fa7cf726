import { connect } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { graceMilliseconds, listenForPlugin } from './node-plugin.ts';

test('a plugin answers while it is connected, and for some seconds after that if it did before', async () => {
  const path = join(temporaryDirectory(), 'run/mounts.sock');
  let time = 0;
  const now = () => new Date(time);
  let changes = 0;
  const plugin = await listenForPlugin(path, () => (changes += 1), { monotonic: () => time, now });
  onTestFinished(() => plugin.close());
  const before = { directMounts: true, directMountsTime: '1969-12-31T00:00:00.000Z' };
  const both = () => [plugin.answers({}), plugin.answers(before)];
  // An agent that starts believes what it reported before until the plugin had time to connect.
  expect(both()).toEqual([{}, before]);
  time = 5000;
  const connection = connect(path);
  await once(connection, 'connect');
  await vi.waitFor(() => expect(changes).toBe(1));
  time = 1e9;
  const since = { directMounts: true, directMountsTime: '1970-01-01T00:00:05.000Z' };
  expect(both()).toEqual([since, since]);
  connection.destroy();
  await vi.waitFor(() => expect(plugin.answers({})).toEqual({}));
  expect(both()).toEqual([{}, before]);
  time += graceMilliseconds;
  expect(both()).toEqual([{}, {}]);
});

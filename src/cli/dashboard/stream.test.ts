import { createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createFeed } from './feed.ts';
import { stream } from './stream.ts';

const idle = { subscribe: () => () => undefined };

test.each([true, false])('a client that takes nothing is taken for gone (compressed: %s)', async (compress) => {
  const stop = new AbortController();
  // More than a connection holds, and nothing that gets small.
  const text = Array.from({ length: 400_000 }, (_, i) => ((i * 2654435761) >>> 0).toString(36)).join('');
  const feed = createFeed(
    { ...idle, make: () => ({ text, more: text, most: text, all: text.repeat(4) }) },
    stop.signal,
  );
  const ended: Promise<void>[] = [];
  const server = createServer((_, response) => {
    ended.push(stream({ response, compress, feed, stalledMilliseconds: 200 }, stop.signal));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = await new Promise<IncomingMessage>((resolve) =>
    get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, resolve),
  );
  answer.on('error', () => undefined);
  // It is read no further; the signal is not aborted.
  await ended[0];
  expect(ended).toHaveLength(1);
  stop.abort();
  answer.destroy();
  await new Promise((resolve) => server.close(resolve));
});

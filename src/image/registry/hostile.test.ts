import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { openRegistry } from './registry.ts';

/** What answers is no web server that follows rules: each answer is written byte by byte as it stands here. */
async function start(answer: (socket: Socket, path: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const [, path = ''] = /^GET (\S+)/.exec(data.toString('latin1')) ?? [];
      answer(socket, path);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Writes a piece again and again, as long as somebody reads, after what comes first. */
function again(socket: Socket, piece: string, milliseconds = 0, first = ''): void {
  socket.write(first);
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write(piece)), milliseconds);
  onTestFinished(() => clearInterval(timer));
}

const digest = `sha256:${'a'.repeat(64)}`;

/** How the agent ends that asks such a registry for a manifest, and waits so long for its next bytes. */
async function outcome(host: string, waitSeconds: number, plainHTTP = true): Promise<string> {
  const registry = await openRegistry(
    { reference: `${host}/os:v1`, digest, plainHTTP },
    { mirrorsFile: '/nonexistent', warn: () => undefined },
    {
      readSecret: () => Promise.resolve(undefined),
      signal: AbortSignal.timeout(25_000),
      http: {
        reach: { localSources: ['127.0.0.1'] },
        connectTimeoutSeconds: waitSeconds,
        headersTimeoutSeconds: waitSeconds,
        idleTimeoutSeconds: waitSeconds,
        vainResumes: 1,
        resumePauseSeconds: 0.001,
      },
    },
  );
  const error: unknown = await registry
    .readManifest(digest)
    .catch((thrown: unknown) => thrown)
    .finally(() => registry.close());
  if (!(error instanceof FetchError)) throw new Error(`Expected a FetchError, got ${String(error)}`);
  expect(error.message.length).toBeLessThanOrEqual(2048);
  return error.reason;
}

const ok = 'HTTP/1.1 200 OK\r\n';
const empty = `${ok}content-length: 0\r\n\r\n`;
const login = (socket: Socket, path: string, then: () => void) => (path === '/v2/' ? socket.write(empty) : then());

const answers: [string, (socket: Socket, path: string) => void, string][] = [
  [
    'a header in drops',
    (socket, path) => login(socket, path, () => again(socket, 'x', 50, `${ok}x-a: `)),
    'UnreachableSource',
  ],
  [
    'headers without end',
    (socket, path) => login(socket, path, () => again(socket, `x-a: ${'y'.repeat(4000)}\r\n`, 0, ok)),
    'UnreachableSource',
  ],
  [
    'provisional answers without end',
    (socket, path) => login(socket, path, () => again(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', 5)),
    'UnreachableSource',
  ],
  [
    'continue without end',
    (socket, path) => login(socket, path, () => again(socket, 'HTTP/1.1 100 Continue\r\n\r\n', 5)),
    'UnreachableSource',
  ],
  ['HTTP/0.9', (socket, path) => login(socket, path, () => socket.end('{"schemaVersion":2}')), 'UnreachableSource'],
  [
    'a longer body than it says',
    (socket, path) => login(socket, path, () => socket.write(`${ok}content-length: 2\r\n\r\n{}{}{}`)),
    'DigestMismatch',
  ],
  [
    'a shorter body than it says',
    (socket, path) => login(socket, path, () => socket.end(`${ok}content-length: 200\r\n\r\n{}`)),
    'TruncatedArchive',
  ],
  [
    'two lengths',
    (socket, path) => login(socket, path, () => socket.end(`${ok}content-length: 2\r\ncontent-length: 4\r\n\r\n{}{}`)),
    'UnreachableSource',
  ],
  [
    'a length that is no number',
    (socket, path) => login(socket, path, () => socket.end(`${ok}content-length: -1\r\n\r\n{}`)),
    'UnreachableSource',
  ],
  [
    'chunks and a length',
    (socket, path) =>
      login(socket, path, () =>
        socket.end(`${ok}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
      ),
    'UnreachableSource',
  ],
  [
    'a chunk of many bytes that never come',
    (socket, path) =>
      login(socket, path, () => socket.write(`${ok}transfer-encoding: chunked\r\n\r\nffffffffffff\r\nx`)),
    'UnreachableSource',
  ],
  [
    'a compressed manifest that no one asked for',
    (socket, path) =>
      login(socket, path, () => {
        const body = gzipSync(Buffer.alloc(64 * 1024 * 1024));
        socket.write(`${ok}content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`);
        socket.end(body);
      }),
    'DigestMismatch',
  ],
  [
    'itself as the place of the manifest',
    (socket, path) =>
      login(socket, path, () => socket.write(`HTTP/1.1 307 x\r\nlocation: ${path}\r\ncontent-length: 0\r\n\r\n`)),
    'TooManyRedirects',
  ],
  [
    'a redirect whose body never ends',
    (socket, path) =>
      login(socket, path, () => {
        socket.write(`HTTP/1.1 307 x\r\nlocation: ${path}\r\ntransfer-encoding: chunked\r\n\r\n`);
        again(socket, '1\r\nx\r\n', 5);
      }),
    'TooManyRedirects',
  ],
  [
    'a switch to another protocol',
    (socket, path) =>
      login(socket, path, () => socket.write('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n')),
    'UnreachableSource',
  ],
  [
    'an extension of a chunk without end',
    (socket, path) =>
      login(socket, path, () => again(socket, 'x'.repeat(4000), 0, `${ok}transfer-encoding: chunked\r\n\r\n2;`)),
    'UnreachableSource',
  ],
  [
    'a challenge that is all quotes and backslashes',
    (socket) => {
      const challenge = `Bearer realm="${'\\"'.repeat(6000)}`;
      socket.write(`HTTP/1.1 401 x\r\nwww-authenticate: ${challenge}\r\ncontent-length: 0\r\n\r\n`);
    },
    'Unauthorized',
  ],
  [
    'a place of the manifest that is no address',
    (socket, path) =>
      login(socket, path, () =>
        socket.write(`HTTP/1.1 307 x\r\nlocation: http://[${'::'.repeat(6000)}\r\ncontent-length: 0\r\n\r\n`),
      ),
    'HTTPStatus',
  ],
  ['an end after each request', (socket) => socket.end(), 'UnreachableSource'],
];

const waited = new Set(['UnreachableSource', 'TooManyRedirects']);

test.each(answers)(
  'a registry that answers with %s is refused in time',
  { timeout: 30_000 },
  async (_what, answer, reason) => {
    // Only these wait for bytes that do not come: a busy machine must not make another reason of the others.
    expect(await outcome(await start(answer), waited.has(reason) ? 1 : 20)).toBe(reason);
  },
);

test('a registry that never ends its handshake is given up', { timeout: 30_000 }, async () => {
  expect(await outcome(await start(() => undefined), 1, false)).toBe('UnreachableSource');
});

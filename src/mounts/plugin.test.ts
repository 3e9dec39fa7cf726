import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { decode, encode } from './protobuf.ts';
import type { Fields, Message } from './protobuf.ts';
import { runPlugin } from './plugin.ts';
import type { PluginOptions } from './plugin.ts';

/** As containerd has it, written from the protocol and not from the plugin. */
const rpc: Message = {
  1: { name: 'service', type: 'string' },
  2: { name: 'method', type: 'string' },
  3: { name: 'payload', type: 'bytes' },
};
const status: Message = { 1: { name: 'code', type: 'int' }, 2: { name: 'message', type: 'string' } };
const answer: Message = { 1: { name: 'status', type: status }, 2: { name: 'payload', type: 'bytes' } };
const createContainer: Message = {
  1: { name: 'pod', type: { 2: { name: 'name', type: 'string' } } },
  2: { name: 'container', type: { 1: { name: 'id', type: 'string' }, 3: { name: 'name', type: 'string' } } },
};
const created: Message = { 1: { name: 'adjust', type: { 9: { name: 'args', type: 'string', repeated: true } } } };

let directory: string;
let path: string;
let server: Server;
let trunks: Socket[];
let received: { connection: number; stream: number; type: number; data: Buffer }[];
const stop = { controller: new AbortController() };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'monoroot-nri-'));
  path = join(directory, 'nri.sock');
  stop.controller = new AbortController();
  await listen();
});
afterEach(async () => {
  stop.controller.abort();
  await close();
  rmSync(directory, { recursive: true });
});

async function listen(): Promise<void> {
  trunks = [];
  received = [];
  server = createServer((trunk) => {
    trunks.push(trunk);
    let bytes = Buffer.alloc(0);
    trunk.on('error', () => undefined);
    trunk.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 8 && bytes.length >= 8 + bytes.readUInt32BE(4)) {
        const end = 8 + bytes.readUInt32BE(4);
        received.push({
          connection: bytes.readUInt32BE(0),
          stream: bytes.readUInt32BE(12),
          type: bytes[16] ?? 0,
          data: Buffer.from(bytes.subarray(18, end)),
        });
        bytes = bytes.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

async function close(): Promise<void> {
  for (const trunk of trunks) trunk.destroy();
  await new Promise((resolve) => server.close(resolve));
}

function frame(connection: number, stream: number, type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(18);
  head.writeUInt32BE(connection, 0);
  head.writeUInt32BE(10 + data.length, 4);
  head.writeUInt32BE(data.length, 8);
  head.writeUInt32BE(stream, 12);
  head[16] = type;
  return Buffer.concat([head, data]);
}

const send = (data: Buffer) => trunks.at(-1)?.write(data);
const call = (stream: number, method: string, payload: Uint8Array = Buffer.alloc(0)) =>
  frame(1, stream, 1, encode(rpc, { service: 'nri.pkg.api.v1alpha1.Plugin', method, payload }));
const answerTo = async (stream: number): Promise<Fields> =>
  vi.waitFor(() => {
    const found = received.find((it) => it.connection === 1 && it.stream === stream && it.type === 2);
    if (!found) throw new Error(`No answer to ${stream}`);
    return decode(answer, found.data);
  });

let states: boolean[];
function start(adjust: PluginOptions['adjust'] = () => undefined): void {
  const mine: boolean[] = [];
  states = mine;
  const logger = pino({ level: 'silent' });
  void runPlugin({ socket: path, adjust, registered: (is) => mine.push(is), logger, signal: stop.controller.signal });
}

async function register(): Promise<void> {
  const request = await vi.waitFor(() => {
    const found = received.find((it) => it.connection === 2 && it.type === 1);
    if (!found) throw new Error('Nothing registers');
    return found;
  });
  expect(decode(rpc, request.data)).toMatchObject({
    service: 'nri.pkg.api.v1alpha1.Runtime',
    method: 'RegisterPlugin',
  });
  send(frame(2, request.stream, 2, encode(answer, {})));
  send(call(1, 'Configure'));
  const configured = await answerTo(1);
  // The event CREATE_CONTAINER, and no other.
  expect(decode({ 2: { name: 'events', type: 'int' } }, configured.payload as Uint8Array)).toEqual({ events: 8 });
  send(call(3, 'Synchronize'));
  await answerTo(3);
}

const container = encode(createContainer, { pod: { name: 'shop' }, container: { id: 'c1', name: 'main' } });

test('it registers, and adjusts containers as its rules say', async () => {
  start(({ pod }) => ({ mounts: [], env: [], args: [pod.name] }));
  await register();
  expect(states).toEqual([true]);
  send(call(5, 'CreateContainer', container));
  const { payload } = await answerTo(5);
  expect(decode(created, payload as Uint8Array)).toEqual({ adjust: { args: ['shop'] } });
});

test('a container that it refuses is refused with the reason, and the next one is answered', async () => {
  let first = true;
  start(() => {
    if (first) {
      first = false;
      throw new Error('there is no tree');
    }
    return undefined;
  });
  await register();
  send(call(5, 'CreateContainer', container));
  expect(await answerTo(5)).toMatchObject({ status: { code: 9, message: 'monoroot: there is no tree' } });
  send(call(7, 'CreateContainer', container));
  expect(await answerTo(7)).toEqual({});
});

test('a call that it does not know, and a container that cannot be read, are answered with nothing', async () => {
  start();
  await register();
  send(call(5, 'Something'));
  expect(await answerTo(5)).toEqual({});
  send(call(7, 'CreateContainer', Buffer.from('0a05ff', 'hex')));
  expect(await answerTo(7)).toEqual({});
});

test('messages that come in pieces, and several at once, are understood', async () => {
  start();
  await register();
  const both = Buffer.concat([call(5, 'CreateContainer', container), call(7, 'CreateContainer', container)]);
  for (const byte of both) send(Buffer.from([byte]));
  await answerTo(5);
  await answerTo(7);
});

test('it registers again when containerd was away', async () => {
  start();
  await register();
  await close();
  await vi.waitFor(() => expect(states).toEqual([true, false]));
  await listen();
  await register();
  expect(states.at(-1)).toBe(true);
});

test('what is not NRI ends the connection and not the plugin', async () => {
  start();
  await register();
  send(frame(9, 1, 1, Buffer.alloc(0)));
  await vi.waitFor(() => expect(states).toEqual([true, false]));
  await vi.waitFor(() => expect(trunks).toHaveLength(2));
});

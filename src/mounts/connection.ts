import { decode, encode, textOf } from './protobuf.ts';
import type { Fields, Message } from './protobuf.ts';
import { ttrpcRequest, ttrpcResponse } from './messages.ts';

/**
 * The two ttrpc connections of NRI that share one socket. A frame of the trunk is the number of the connection and a length (4
 * bytes each); a message of ttrpc a length, a stream (4 bytes each), a type and flags. Pure: bytes in, bytes out.
 */

/** On this one the runtime calls the plugin. */
export const pluginConnection = 1;
/** On this one the plugin calls the runtime. */
export const runtimeConnection = 2;

const requestType = 1;
const responseType = 2;
/** As ttrpc has it. */
const longestMessage = 4 << 20;

export type Received =
  | { type: 'Request'; stream: number; service: string; method: string; payload: Uint8Array }
  | { type: 'Response'; stream: number; payload: Uint8Array; failure?: string };

/** Puts what arrives together into messages. Throws when it is not NRI: then the connection is of no use any more. */
export class Messages {
  #trunk: Buffer = Buffer.alloc(0);
  readonly #streams = new Map<number, Buffer>([
    [pluginConnection, Buffer.alloc(0)],
    [runtimeConnection, Buffer.alloc(0)],
  ]);

  push(chunk: Uint8Array): Received[] {
    const received: Received[] = [];
    this.#trunk = Buffer.concat([this.#trunk, chunk]);
    while (this.#trunk.length >= 8) {
      const [connection, length] = [this.#trunk.readUInt32BE(0), this.#trunk.readUInt32BE(4)];
      if (length > longestMessage + 10) throw new Error(`A frame of ${length} bytes is too long`);
      if (this.#trunk.length < 8 + length) break;
      const before = this.#streams.get(connection);
      if (!before) throw new Error(`There is no connection ${connection}`);
      const all = Buffer.concat([before, this.#trunk.subarray(8, 8 + length)]);
      this.#trunk = this.#trunk.subarray(8 + length);
      this.#streams.set(connection, takeMessages(all, received));
    }
    return received;
  }
}

/** Appends the whole messages and gives what is left. */
function takeMessages(bytes: Buffer, received: Received[]): Buffer {
  let rest = bytes;
  while (rest.length >= 10) {
    const length = rest.readUInt32BE(0);
    if (length > longestMessage) throw new Error(`A message of ${length} bytes is too long`);
    if (rest.length < 10 + length) break;
    received.push(parse(rest.readUInt32BE(4), rest[8] ?? 0, rest.subarray(10, 10 + length)));
    rest = rest.subarray(10 + length);
  }
  return rest;
}

function parse(stream: number, type: number, data: Uint8Array): Received {
  if (type === requestType) {
    const { service = '', method = '', payload = new Uint8Array() } = decode(ttrpcRequest, data);
    return {
      type: 'Request',
      stream,
      service: textOf(service),
      method: textOf(method),
      payload: payload as Uint8Array,
    };
  }
  if (type !== responseType) throw new Error(`A message has the type ${type}`);
  const { status, payload = new Uint8Array() } = decode(ttrpcResponse, data);
  const { code = 0, message = '' } = (status as Fields | undefined) ?? {};
  const failure = code === 0 ? {} : { failure: textOf(message) };
  return { type: 'Response', stream, payload: payload as Uint8Array, ...failure };
}

export const request = (stream: number, service: string, method: string, payload: Uint8Array): Buffer =>
  framed(runtimeConnection, stream, requestType, ttrpcRequest, { service, method, payload });

export const response = (stream: number, payload: Uint8Array): Buffer =>
  framed(pluginConnection, stream, responseType, ttrpcResponse, payload.length === 0 ? {} : { payload });

/** FAILED_PRECONDITION of gRPC: the call may succeed later. */
const failedPrecondition = 9;

export const refusal = (stream: number, message: string): Buffer =>
  framed(pluginConnection, stream, responseType, ttrpcResponse, { status: { code: failedPrecondition, message } });

function framed(connection: number, stream: number, type: number, message: Message, fields: Fields): Buffer {
  const data = encode(message, fields);
  const head = Buffer.alloc(18);
  head.writeUInt32BE(connection, 0);
  head.writeUInt32BE(10 + data.length, 4);
  head.writeUInt32BE(data.length, 8);
  head.writeUInt32BE(stream, 12);
  head[16] = type;
  return Buffer.concat([head, data]);
}

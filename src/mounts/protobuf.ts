/** As much of the wire format of Protocol Buffers as the messages of NRI and ttrpc need: fields by number, no reflection. */

/** `map` is one of strings to strings. `repeated` is a list, also of one. */
export type Field =
  | { name: string; type: 'string' | 'bytes' | 'int' | 'bool'; repeated?: true }
  | { name: string; type: 'map' }
  | { name: string; type: Message; repeated?: true };
/** By number. What is not named is skipped when it is read. */
export type Message = Readonly<Record<number, Field>>;
export type Value =
  string | number | boolean | Uint8Array | Fields | readonly Value[] | Readonly<Record<string, string>>;
export interface Fields {
  [name: string]: Value | undefined;
}

const varint = 0;
const delimited = 2;
/** Maps and messages are nested three deep in what is read here. */
const deepest = 16;

/** The text of a field, or none. */
export const textOf = (value: Value | undefined): string => (typeof value === 'string' ? value : '');

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }
  /** Numbers past 2^53 lose their last digits: those that matter here are small. Negative ones have ten bytes. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('A number is cut short');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw new Error('A number has more than ten bytes');
  }
  take(length: number): Uint8Array {
    if (length < 0 || length > this.#bytes.length - this.#at) throw new Error('A field is longer than its message');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  skip(wire: number): void {
    if (wire === varint) this.varint();
    else if (wire === delimited) this.take(this.varint());
    else if (wire === 1) this.take(8);
    else if (wire === 5) this.take(4);
    else throw new Error(`A field has the wire type ${wire}`);
  }
}

/** What is no UTF-8 becomes something that no rule takes. */
const decoder = new TextDecoder('utf-8');
const entry: Message = { 1: { name: 'key', type: 'string' }, 2: { name: 'value', type: 'string' } };

/** Reads a message. Throws on anything that is not one. */
export function decode(message: Message, bytes: Uint8Array, depth = 0): Fields {
  if (depth > deepest) throw new Error('Messages are nested too deep');
  const reader = new Reader(bytes);
  const fields: Fields = {};
  while (!reader.done) {
    const key = reader.varint();
    const wire = key & 7;
    const field = message[Math.floor(key / 8)];
    const expected = field && (field.type === 'int' || field.type === 'bool' ? varint : delimited);
    if (!field) {
      reader.skip(wire);
      continue;
    }
    if (wire !== expected) throw new Error(`Field ${field.name} has the wire type ${wire}`);
    if (field.type === 'map') {
      const { key: name = '', value = '' } = decode(entry, reader.take(reader.varint()), depth + 1);
      fields[field.name] = {
        ...(fields[field.name] as Record<string, string> | undefined),
        [textOf(name)]: textOf(value),
      };
      continue;
    }
    const value = read(field.type, reader, depth);
    if (field.repeated) fields[field.name] = [...((fields[field.name] as readonly Value[] | undefined) ?? []), value];
    else fields[field.name] = value;
  }
  return fields;
}

function read(type: Exclude<Field['type'], 'map'>, reader: Reader, depth: number): Value {
  if (type === 'int') return reader.varint();
  if (type === 'bool') return reader.varint() !== 0;
  const bytes = reader.take(reader.varint());
  if (type === 'bytes') return bytes;
  return type === 'string' ? decoder.decode(bytes) : decode(type, bytes, depth + 1);
}

/** Writes a message; fields without a value are left out. Throws when a value is not of its field's type. */
export function encode(message: Message, fields: Fields): Buffer {
  const parts: Uint8Array[] = [];
  for (const [number, field] of Object.entries(message)) {
    const value = fields[field.name];
    if (value === undefined) continue;
    for (const each of valuesOf(field, value)) parts.push(...written(Number(number), field, each));
  }
  return Buffer.concat(parts);
}

function valuesOf(field: Field, value: Value): readonly Value[] {
  if (field.type === 'map')
    return Object.entries(value as Record<string, string>).map(([key, of]) => ({ key, value: of }));
  return field.repeated ? (value as readonly Value[]) : [value];
}

function written(number: number, { name, type }: Field, value: Value): Uint8Array[] {
  if (type === 'int' || type === 'bool') return [writeVarint(number * 8 + varint), writeVarint(Number(value))];
  const bytes = bytesOf(type, value);
  if (!bytes) throw new Error(`Field ${name} has a value of another type`);
  return [writeVarint(number * 8 + delimited), writeVarint(bytes.length), bytes];
}

function bytesOf(type: Exclude<Field['type'], 'int' | 'bool'>, value: Value): Uint8Array | undefined {
  if (type === 'string') return typeof value === 'string' ? Buffer.from(value) : undefined;
  if (type === 'bytes') return value instanceof Uint8Array ? value : undefined;
  if (typeof value !== 'object' || value instanceof Uint8Array) return undefined;
  return encode(type === 'map' ? entry : type, value as Fields);
}

function writeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

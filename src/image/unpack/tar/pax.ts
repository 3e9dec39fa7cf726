import { blockBytes, paddingOf, paxHeader } from './header.ts';

/** One record of a pax header. Keys are latin1 strings; a key may come several times (`GNU.sparse.offset`). */
export interface PaxRecord {
  key: string;
  value: Buffer;
}

/**
 * Reads the body of a pax header: `<length> <key>=<value>\n`, where the length is of the whole record. Undefined when it is none, or has too many: each
 * takes some hundred bytes of memory, however short it is.
 */
export function readRecords(body: Buffer): PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  for (let at = 0; at < body.length;) {
    if (records.length >= mostRecords) return undefined;
    // Some programs fill the last block up within the body.
    if (body[at] === 0) return body.subarray(at).every((byte) => byte === 0) ? records : undefined;
    const space = body.indexOf(0x20, at);
    const digits = space === -1 ? '' : body.toString('latin1', at, Math.min(space, at + 12));
    const end = at + Number(digits);
    if (!/^[0-9]+$/.test(digits) || end <= space + 1 || end > body.length || body[end - 1] !== 0x0a) return undefined;
    const equals = body.indexOf(0x3d, space);
    if (equals === -1 || equals >= end) return undefined;
    records.push({ key: body.toString('latin1', space + 1, equals), value: body.subarray(equals + 1, end - 1) });
    at = end;
  }
  return records;
}

/** A pax header with these records: its blocks. */
export function writeRecords(type: 'x' | 'g', records: readonly PaxRecord[]): Buffer {
  const body = Buffer.concat(records.map(writeRecord));
  return Buffer.concat([paxHeader(type, body.length), body, Buffer.alloc(paddingOf(body.length))]);
}

function writeRecord({ key, value }: PaxRecord): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}

/** The value of a key; of several the last counts. */
export const valueOf = (records: readonly PaxRecord[], key: string): Buffer | undefined =>
  records.findLast((record) => record.key === key)?.value;

/** Records that hold for all entries, beside those of one. An empty value takes one back, as POSIX has it. */
export function merge(global: readonly PaxRecord[], own: readonly PaxRecord[]): PaxRecord[] {
  const keys = new Set(own.map(({ key }) => key));
  return [...global.filter(({ key }) => !keys.has(key)), ...own];
}

/** The largest body of a pax header: Linux takes attributes of 64 KiB each. */
export const mostRecordBytes = 4 * 1024 * 1024;
/** Two for each hole of a file, in the oldest form of GNU tar that has holes in records. */
export const mostRecords = 100_000;
/** The largest long name of GNU tar: Linux takes paths of 4096 bytes. */
export const mostNameBytes = 128 * blockBytes;

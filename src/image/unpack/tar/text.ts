import { truncate } from '../../../runtime/text.ts';

/** A name of an archive in a message: printable, and not too long. `name` has one character a byte. */
export function quoted(name: string): string {
  return truncate(JSON.stringify(Buffer.from(name, 'latin1').toString()), 200);
}

/** Bytes as ASCII, with a point for each that has no sign. */
export const printable = (bytes: Buffer): string => bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');

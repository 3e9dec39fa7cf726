import { FetchError } from '../failure.ts';

/** A program that decompresses standard input to standard output; undefined when the archive is not compressed. */
export type Decompressor = readonly [command: string, ...args: string[]] | undefined;

/** Bytes that `detectCompression` wants to see, fewer only when the archive has no more. */
export const sniffBytes = 262;

const known: { name: string; magic: string; offset?: number; decompressor: Decompressor }[] = [
  { name: 'zstd', magic: '28b52ffd', decompressor: ['zstd', '-dcq', '--no-progress'] },
  { name: 'gzip', magic: '1f8b', decompressor: ['gzip', '-dcq'] },
  { name: 'xz', magic: 'fd377a585a00', decompressor: ['xz', '-dcq'] },
  { name: 'tar', magic: Buffer.from('ustar').toString('hex'), offset: 257, decompressor: undefined },
];

/** Whether it is a zip archive, told from its first bytes. */
export const isZip = (start: Uint8Array) => Buffer.from(start.subarray(0, 4)).toString('latin1') === 'PK\x03\x04';

/** How the archive is compressed, told from its first bytes. Throws UnsupportedArchive, saying what to do. */
export function detectCompression(start: Uint8Array): Decompressor {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  for (const { magic, offset = 0, decompressor } of known) {
    if (bytes.subarray(offset, offset + magic.length / 2).toString('hex') === magic) return decompressor;
  }
  const what =
    bytes.length === 0 ? 'it is empty' : `it starts with ${JSON.stringify(printable(bytes.subarray(0, 16)))}`;
  const message = `The archive is neither a tar file, plain or compressed with zstd, gzip or xz, nor a zip file: ${what}; build it anew as .tar.zst`;
  throw new FetchError('UnsupportedArchive', message);
}

const printable = (bytes: Buffer) => bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');

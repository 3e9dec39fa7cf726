import { FetchError } from '../failure.ts';
import { hasMagic, isHeader, isZero } from './tar/header.ts';
import { printable } from './tar/text.ts';

/**
 * The largest window of a decompressor: zstd up to --long=27 or --ultra -22, xz up to -9. One archive that asks for more would
 * take the memory of all that the agent does.
 */
const windowMebibytes = 128;

/** A program that decompresses standard input to standard output; undefined when the archive is not compressed. */
export type Decompressor = readonly [command: string, ...args: string[]] | undefined;

/** Bytes that `detectCompression` wants to see, fewer only when the archive has no more. */
export const sniffBytes = 512;

const known: { name: string; magic: RegExp; decompressor: Decompressor }[] = [
  {
    name: 'zstd',
    // Or a skippable frame, of which there are sixteen kinds: what pzstd begins with.
    magic: /^(?:28b52ffd|5[0-9a-f]2a4d18)/,
    decompressor: ['zstd', '-dcq', '--no-progress', `--memory=${windowMebibytes}MiB`],
  },
  { name: 'gzip', magic: /^1f8b/, decompressor: ['gzip', '-dc'] },
  { name: 'xz', magic: /^fd377a585a00/, decompressor: ['xz', '-dcq', `--memlimit-decompress=${windowMebibytes}MiB`] },
];

/** Whether it is a zip archive, told from its first bytes. */
export const isZip = (start: Uint8Array) => Buffer.from(start.subarray(0, 4)).toString('latin1') === 'PK\x03\x04';

/** Of the longest. */
const magicBytes = 6;

/** How the archive is compressed, told from its first bytes. Throws UnsupportedArchive, saying what to do. */
export function detectCompression(start: Uint8Array): Decompressor {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  for (const { magic, decompressor } of known) {
    if (magic.test(bytes.toString('hex', 0, magicBytes))) return decompressor;
  }
  // Also archives of the seventh edition, which have nothing but a checksum, and one without entries.
  if (hasMagic(bytes) || isHeader(bytes) || (bytes.length >= sniffBytes && isZero(bytes.subarray(0, sniffBytes))))
    return undefined;
  const what =
    bytes.length === 0 ? 'it is empty' : `it starts with ${JSON.stringify(printable(bytes.subarray(0, 16)))}`;
  const message = `The archive is neither a tar file, plain or compressed with zstd, gzip or xz, nor a zip file: ${what}; build it again as .tar.zst`;
  throw new FetchError('UnsupportedArchive', message);
}

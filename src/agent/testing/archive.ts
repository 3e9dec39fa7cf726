import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** One entry of a tar archive, as hostile as the test wants it. */
export interface TarEntry {
  name: string;
  type?: 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo' | 'longname';
  content?: string | Buffer;
  link?: string;
  mode?: number;
  device?: [major: number, minor: number];
}

const typeFlags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  longname: 'L',
} as const;

/**
 * Writes a ustar archive, with long names as GNU tar writes them. No program would write what the tests need: names with `..`,
 * absolute ones, links as parents.
 */
export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...tarPieces(entries)]);
}

/** The same in pieces, for archives of any size. */
export function* tarPieces(entries: Iterable<TarEntry>): Generator<Buffer> {
  for (const entry of entries) {
    for (const part of withLongName(entry)) {
      const content = Buffer.from(part.content ?? '');
      yield header(part, content.length);
      yield content;
      yield Buffer.alloc((512 - (content.length % 512)) % 512);
    }
  }
  yield Buffer.alloc(1024);
}

const withLongName = (entry: TarEntry): TarEntry[] =>
  entry.name.length <= 100
    ? [entry]
    : [{ name: '././@LongLink', type: 'longname', content: Buffer.from(`${entry.name}\0`, 'latin1') }, entry];

function header({ name, type = 'file', link = '', mode = 0o755, device = [0, 0] }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, offset: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
  block.write(name.slice(0, 100), 0, 'latin1');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(1_700_000_000, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(typeFlags[type], 156, 'latin1');
  block.write(link, 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(device[0], 329, 8);
  octal(device[1], 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Compresses with one of the programs that the agent decompresses with. */
export function compress(program: 'zstd' | 'gzip' | 'xz', input: Buffer): Buffer {
  return execFileSync(program, ['-c', '-q'], { input, maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'ignore'] });
}

/** One entry of a zip archive. */
export interface ZipEntry {
  name: string;
  /** With the type of the file, as in `stat`. */
  mode: number;
  content: string | Buffer;
  /** What comes out of `content`, when that is compressed already. */
  inflated?: { bytes: number; crc: number };
}

/** Writes a zip archive, as hostile as the test wants it; nothing is compressed. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  let offset = 0;
  const pieces = entries.map(({ name, mode, content, inflated }) => {
    const data = Buffer.from(content);
    const { bytes = data.length, crc = crc32(data) } = inflated ?? {};
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(inflated ? 8 : 0, 4);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(bytes, 18);
    common.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), data]);
    const madeByUnix = Buffer.from([20, 3]);
    const central = Buffer.concat([Buffer.from('PK\x01\x02'), madeByUnix, common, rest, Buffer.from(name)]);
    offset += local.length;
    return { local, central };
  });
  const directory = Buffer.concat(pieces.map(({ central }) => central));
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...pieces.map(({ local }) => local), directory, end]);
}

/** A small but whole root file system of the merged kind. */
export const rootEntries = (prefix = ''): TarEntry[] => [
  ...['usr', 'usr/bin', 'usr/lib', 'etc', 'var', 'tmp', 'dev', 'proc', 'srv'].map((name) => ({
    name: `${prefix}${name}/`,
    type: 'directory' as const,
  })),
  { name: `${prefix}bin`, type: 'symlink', link: 'usr/bin' },
  { name: `${prefix}sbin`, type: 'symlink', link: 'usr/sbin' },
  { name: `${prefix}usr/bin/hello`, content: '#!/bin/sh\necho hello\n', mode: 0o4755 },
  { name: `${prefix}etc/os-release`, content: 'ID=test\n', mode: 0o644 },
];

export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

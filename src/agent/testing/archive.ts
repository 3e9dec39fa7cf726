import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';

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
  const blocks = entries.flatMap(withLongName).flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return [header(entry, content.length), content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
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

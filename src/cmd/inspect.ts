import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import process from 'node:process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { fixedImage } from '../api/meta.ts';
import { hostRoot } from '../api/names.ts';
import { inspectEntry } from '../agent/inspect/inspect.ts';
import { entryPath, storePaths } from '../agent/store/paths.ts';
import { readSettings } from '../agent/settings.ts';
import { DiskReservations } from '../image/disk/reservations.ts';
import { readSpace } from '../image/disk/space.ts';
import { removeTree } from '../system/files.ts';
import { makeScratch } from '../agent/store/scratch.ts';

/**
 * `inspect <os>:<version>`: tells `kubectl monoroot` about an image in the store of this node. It changes nothing but a directory of its own for
 * lists that find no room in memory, which is gone at the end.
 */

async function* inspect(image: string): AsyncGenerator<string> {
  if (!fixedImage.safeParse(image).success) throw new Error(`${image} is no image: it must be <os>:<version>`);
  const [os = '', version = ''] = image.split(':');
  const paths = storePaths(process.env['MONOROOT_ROOT'] ?? hostRoot);
  const entry = entryPath(paths, { os, version });
  if (!existsSync(entry)) throw new Error(`${image} is not in the store of this node`);
  const scratch = await makeScratch(paths);
  try {
    const reservations = new DiskReservations(() => readSpace(scratch), readSettings(process.env).minFree);
    const ensure = (bytes: number) => reservations.ensureFree(bytes);
    const options = { scratch, signal: new AbortController().signal, ensure, idle: true };
    for await (const line of inspectEntry(entry, options)) yield `${JSON.stringify(line)}\n`;
  } finally {
    await removeTree(scratch);
  }
}

try {
  // The containers of the node come first.
  setPriority(constants.priority.PRIORITY_LOW);
  await pipeline(Readable.from(inspect(process.argv[2] ?? '')), createGzip({ level: 1 }), process.stdout);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

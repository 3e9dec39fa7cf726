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
import type { Jail } from '../system/jail.ts';
import { nodeBytes, programsBeside } from '../system/node.ts';
import { exitOf, programEnvironment, startProgram } from '../system/programs.ts';
import { makeScratch } from '../agent/store/scratch.ts';

/**
 * `inspect <os>:<version>`: tells `kubectl monoroot` about an image in the store of this node. It changes nothing but a directory of its own for
 * lists that find no room in memory, which is gone at the end. What reads the image runs in a jail.
 */

/** Runs in a jail. */
async function* inspect(entry: string, scratch: string): AsyncGenerator<string> {
  const reservations = new DiskReservations(() => readSpace(scratch), readSettings(process.env).minFree);
  const ensure = (bytes: number) => reservations.ensureFree(bytes);
  const options = { scratch, signal: new AbortController().signal, ensure, idle: true };
  for await (const line of inspectEntry(entry, options)) yield `${JSON.stringify(line)}\n`;
}

/** Runs this program again, in a jail, and gives the code that it exits with. */
async function inspectInJail(image: string): Promise<number> {
  if (!fixedImage.safeParse(image).success) throw new Error(`${image} is no image: it must be <os>:<version>`);
  const [os = '', version = ''] = image.split(':');
  const paths = storePaths(process.env['MONOROOT_ROOT'] ?? hostRoot);
  const entry = entryPath(paths, { os, version });
  if (!existsSync(entry)) throw new Error(`${image} is not in the store of this node`);
  const scratch = await makeScratch(paths);
  try {
    const programs = programsBeside(import.meta.filename.endsWith('.ts'));
    const jail: Jail = { work: 'inspect', directory: entry, scratch, programs, memoryBytes: nodeBytes };
    const program = [process.execPath, ...process.execArgv, import.meta.filename, image, entry, scratch];
    const env = { ...process.env, ...programEnvironment };
    const { code } = await exitOf(startProgram(program, { stdio: 'inherit', env, jail }));
    return code ?? 1;
  } finally {
    await removeTree(scratch);
  }
}

try {
  // The containers of the node come first.
  setPriority(constants.priority.PRIORITY_LOW);
  const [, , image = '', entry, scratch] = process.argv;
  if (entry === undefined || scratch === undefined) process.exitCode = await inspectInJail(image);
  else await pipeline(Readable.from(inspect(entry, scratch)), createGzip({ level: 1 }), process.stdout);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

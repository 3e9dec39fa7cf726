import { open } from 'node:fs/promises';
import { runProgram } from '../../system/programs.ts';

/** Makes a directory's own entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Makes all of the file system that holds `path` durable: one syncfs, instead of an fsync for each of many files. */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  await runProgram('sync', ['-f', path], { signal });
}

import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runProgram } from './programs.ts';

/** Removes a tree. `rm` goes down directory by directory, so unlike fs.rm it also removes paths longer than 4096 bytes. */
export async function removeTree(path: string): Promise<void> {
  await runProgram('rm', ['-rf', '--one-file-system', '--', path], {
    jail: { work: 'remove', directory: dirname(path), memoryBytes: 128 * 1024 * 1024 },
  });
}

/** Up to so many names in a directory, in any order, as bytes: a name need not be UTF-8. It reads no more of a larger one. */
export async function firstNames(path: string, most: number): Promise<Buffer[]> {
  const names: Buffer[] = [];
  // Whoever stops reading closes it.
  for await (const { name } of await opendir(path, { encoding: 'latin1' })) {
    if (names.push(Buffer.from(name, 'latin1')) >= most) break;
  }
  return names;
}

import { runProgram } from './programs.ts';

/** Removes a tree. `rm` goes down directory by directory, so unlike fs.rm it also removes paths longer than 4096 bytes. */
export async function removeTree(path: string): Promise<void> {
  await runProgram('rm', ['-rf', '--one-file-system', '--', path]);
}

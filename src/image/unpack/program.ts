import { posix } from 'node:path';
import type { LiteralDefaults } from '../../api/osimage.ts';
import { resolveInContainer } from './top.ts';

/** What a container runtime searches when an image says nothing. */
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Whether the tree has the program that its image runs: then it is a root, however little else is in it (`FROM scratch`). */
export async function hasOwnProgram(root: string, defaults: LiteralDefaults | undefined): Promise<boolean> {
  const [program = ''] = [...(defaults?.command ?? []), ...(defaults?.args ?? [])];
  if (program === '') return false;
  for (const path of placesOf(program, defaults)) {
    const place = await resolveInContainer(root, path.slice(1));
    if (place?.type === 'file') return true;
  }
  return false;
}

/** As execvp(3) looks for it. */
function placesOf(program: string, defaults: LiteralDefaults | undefined): string[] {
  const directory = defaults?.workingDir ?? '/';
  if (program.includes('/')) return [posix.resolve(directory, program)];
  const path = defaults?.env?.find(({ name }) => name === 'PATH')?.value ?? usualPath;
  return path.split(':').map((it) => posix.resolve(directory, it, program));
}

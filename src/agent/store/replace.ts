import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runProgram } from '../../system/programs.ts';
import type { LinkThread } from './link-thread.ts';
import type { Move } from './links.ts';

export interface ReplaceOptions {
  links: string;
  work: string;
  thread: LinkThread;
  signal: AbortSignal;
}

/** Programs keep in memory what they do to so many names at once. */
const mostMoves = 20_000;
const mostCharacters = 2_000_000;

const timesOnly = ['--numeric-owner', '--no-acls', '--no-xattrs', '--no-fflags'];

/**
 * Moves links into the tree, over what is there, and gives the bytes that this saves; a link that was removed is passed over. Directories keep
 * their times.
 */
export async function replaceFiles(root: string, moves: AsyncIterable<Move>, options: ReplaceOptions): Promise<number> {
  const { links, thread } = options;
  let bytes = 0;
  for await (const some of grouped(moves)) {
    await keepingTimes(root, some, options, () =>
      thread.askAll(
        some,
        ({ name }) => name.length,
        (group) => ({ kind: 'rename', root, links, moves: group }),
        ({ diskBytes }, moved) => {
          if (moved !== undefined) bytes += diskBytes;
        },
      ),
    );
  }
  return bytes;
}

async function* grouped(moves: AsyncIterable<Move>): AsyncGenerator<Move[]> {
  let group: Move[] = [];
  let characters = 0;
  for await (const move of moves) {
    group.push(move);
    characters += move.name.length;
    if (group.length < mostMoves && characters < mostCharacters) continue;
    yield group;
    [group, characters] = [[], 0];
  }
  if (group.length > 0) yield group;
}

/**
 * Restores the times of the directories that hold the files after a change. bsdtar does it, as Node.js sets no nanoseconds;
 * in a chroot, so that no link in the tree can lead out of it.
 */
async function keepingTimes(
  root: string,
  moves: readonly Move[],
  { work, signal }: ReplaceOptions,
  change: () => Promise<void>,
): Promise<void> {
  const directories = new Set(moves.map(({ name }) => `./${dirname(name)}\0`));
  const list = Buffer.from([...directories].join(''), 'latin1');
  const saved = join(work, 'directories');
  const save = ['-c', '-f', saved, '--format=pax', ...timesOnly, '--null', '-n', '-C', root, '-T', '-'];
  await runProgram('bsdtar', save, { input: list, signal });
  await change();
  const archive = await open(saved, 'r');
  try {
    const restore = ['-x', '-p', '-f', '-', ...timesOnly, '--chroot', '-C', root];
    await runProgram('bsdtar', restore, { input: archive.fd, signal });
  } finally {
    await archive.close();
  }
}

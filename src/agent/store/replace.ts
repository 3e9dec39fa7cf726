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

/** Names in one call of a program, which keeps all of them in memory. */
const mostMoves = 20_000;
const mostCharacters = 2_000_000;

const memoryBytes = 96 * 1024 * 1024;

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
 * in a jail, so that no link in the tree can lead out of it.
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
  const save = ['-c', '-f', '-', '--format=pax', ...timesOnly, '--null', '-n', '-C', root, '-T', '-'];
  await withFile(saved, 'w', (output) =>
    runProgram('bsdtar', save, { input: list, output, signal, jail: { work: 'look', directory: root, memoryBytes } }),
  );
  await change();
  const restore = ['-x', '-p', '-f', '-', ...timesOnly, '--chroot'];
  await withFile(saved, 'r', (input) =>
    runProgram('bsdtar', restore, { input, signal, jail: { work: 'restore', root, memoryBytes } }),
  );
}

async function withFile(path: string, flags: 'r' | 'w', work: (descriptor: number) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await work(file.fd);
  } finally {
    await file.close();
  }
}

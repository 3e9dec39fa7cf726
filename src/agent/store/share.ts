import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listAttributes } from './attributes.ts';
import { withCandidates } from './candidates.ts';
import { LinkThread } from './link-thread.ts';
import type { Move } from './links.ts';
import type { Survey } from './measure.ts';
import { unescaped } from './names.ts';
import { replaceFiles } from './replace.ts';
import { Sorter } from './sorter.ts';
import type { Ensure } from './sorter.ts';

export interface SharePorts {
  /** The tree that is about to be published, and what a look at it found. */
  root: string;
  survey: Survey;
  /** Its files that have attributes: lines of a sorted list, see `listAttributes`. */
  attributes: () => AsyncGenerator<string>;
  /** Published entries, those first with which there is most in common. */
  entries: readonly string[];
  /** A directory, not there yet, on the same file system. */
  work: string;
  signal: AbortSignal;
  now: () => Date;
  ensure?: Ensure | undefined;
}

/**
 * So long the sharing of one image may take, and so long the search for files that are the same, which comes first: each file costs calls that wait for
 * the disk, and a fetch has a time limit (`download.timeoutSeconds`). What is not shared by then keeps a copy of its own.
 */
const [mostSeconds, mostSearchSeconds] = [300, 150];

/**
 * Replaces files of a new, unpublished tree by hard links to files of published entries with the same content, owner, group,
 * mode, size and time of last change (ns), and gives the bytes on disk that this saves. All else of the tree stays as it is:
 * files with extended attributes or ACLs are left out, two files never become one, those with several names keep them, and
 * directories keep their times. Nothing published is changed and nothing is believed: every byte is compared. An entry may
 * vanish meanwhile. Its memory does not grow with the number of files, and its time is limited; aborting stops it in the middle, with a
 * tree of no use.
 */
export async function shareFiles(ports: SharePorts): Promise<number> {
  const { root, survey, entries, attributes, work, signal, ensure, now } = ports;
  if (entries.length === 0) return 0;
  const links = join(work, 'links');
  await mkdir(links, { recursive: true, mode: 0o700 });
  const options = { scratch: work, signal, ensure };
  const matches = new Sorter(options);
  const several = new Sorter(options);
  const thread = new LinkThread(signal);
  const start = now().getTime();
  const isOver = (seconds: number) => now().getTime() - start > seconds * 1000;
  try {
    await linkIdentical(ports, links, matches, thread, () => isOver(mostSearchSeconds));
    await dropSpecial(links, thread, signal);
    async function* moves(): AsyncGenerator<Move> {
      for await (const { name, link, names, inode, diskBytes } of without(attributes(), readMatches(matches))) {
        if (isOver(mostSeconds)) return;
        if (names === 1) yield { name: unescaped(name), link, diskBytes };
        else several.add([inode, link, diskBytes].join('\t'));
        await several.settle();
      }
      yield* movesOfNames(survey, several, () => isOver(mostSeconds));
    }
    return await replaceFiles(root, moves(), { links, work, thread, signal });
  } finally {
    await thread.close();
    await matches.close();
    await several.close();
  }
}

interface Match {
  name: string;
  /** Its link in the directory of links; of further names of the file the links have a number at the end. */
  link: string;
  names: number;
  inode: string;
  diskBytes: number;
}

/** Links, for each file that has one, a published file that really is the same into a directory of our own. */
async function linkIdentical(
  ports: SharePorts,
  links: string,
  matches: Sorter,
  thread: LinkThread,
  isOver: () => boolean,
): Promise<void> {
  const { root, survey, entries, work, signal, ensure } = ports;
  await thread.askAll(
    until(
      isOver,
      withCandidates(() => survey.files(), entries, { scratch: work, signal, ensure }),
    ),
    ({ file, candidates }) => candidates.reduce((sum, { name }) => sum + name.length, file.name.length),
    (files) => ({ kind: 'link', root, links, files }),
    async ({ file: { name, names, inode, diskBytes } }, link) => {
      if (link !== undefined) matches.add([name, link, names, inode, diskBytes].join('\t'));
      await matches.settle();
    },
  );
}

async function* until<T>(isOver: () => boolean, items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) {
    if (isOver()) return;
    yield item;
  }
}

/** Removes the links of files that have attributes: nothing else tells those of a file. */
async function dropSpecial(links: string, thread: LinkThread, signal: AbortSignal): Promise<void> {
  await thread.askAll(
    listAttributes(links, ['.'], { signal }),
    (line) => line.length,
    (lines) => ({ kind: 'remove', links, names: lines.map((line) => line.slice(0, line.indexOf(' '))) }),
    () => undefined,
  );
}

async function* readMatches(matches: Sorter): AsyncGenerator<Match> {
  for await (const line of matches.sorted()) {
    const [name = '', link = '', names, inode = '', diskBytes] = line.split('\t');
    yield { name, link, names: Number(names), inode, diskBytes: Number(diskBytes) };
  }
}

/** Those that have no attributes. Both lists are sorted by name. */
async function* without(attributes: AsyncGenerator<string>, matches: AsyncGenerator<Match>): AsyncGenerator<Match> {
  try {
    let special = await nextName(attributes);
    for await (const match of matches) {
      while (special !== undefined && special < match.name) special = await nextName(attributes);
      if (special !== match.name) yield match;
    }
  } finally {
    await attributes.return(undefined);
  }
}

const tree = 'root';
const ofTree = `./${tree}/`;

/** The next file in the tree that has an attribute; undefined at the end. */
async function nextName(attributes: AsyncGenerator<string>): Promise<string | undefined> {
  for (;;) {
    const line = await attributes.next();
    if (line.done === true) return undefined;
    if (line.value.startsWith(ofTree)) return line.value.slice(ofTree.length, line.value.indexOf(' '));
  }
}

/** Every name of the files that have several and are shared. Both lists are sorted by the inode in the new tree. It ends between two files. */
async function* movesOfNames(survey: Survey, several: Sorter, isOver: () => boolean): AsyncGenerator<Move> {
  const names = survey.names();
  try {
    let name = await names.next();
    for await (const line of several.sorted()) {
      if (isOver()) return;
      const [inode = '', link = '', diskBytes] = line.split('\t');
      while (name.done !== true && name.value.inode < inode) name = await names.next();
      for (let number = 0; name.done !== true && name.value.inode === inode; number++) {
        const [own, bytes] = number === 0 ? [link, Number(diskBytes)] : [`${link}.${number}`, 0];
        yield { name: unescaped(name.value.name), link: own, diskBytes: bytes };
        name = await names.next();
      }
    }
  } finally {
    await names.return(undefined);
  }
}

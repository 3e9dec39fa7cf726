import type { ChildProcess } from 'node:child_process';
import { lstatSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { FetchError } from '../failure.ts';
import { runProgram } from '../program.ts';
import { detectCompression, sniffBytes } from './compression.ts';
import { diagnose } from './diagnose.ts';
import type { Ending } from './diagnose.ts';
import { follow, start, startDecompressor } from './unpack.ts';
import { truncate } from '../../runtime/text.ts';

/**
 * The layers of an OCI image are archives that go one over the other; a file `.wh.NAME` removes NAME of the layers below, and
 * `.wh..wh..opq` all that is in its directory (https://github.com/opencontainers/image-spec/blob/main/layer.md).
 */
export const whiteouts = '.wh.*';
const prefix = '.wh.';
const opaque = '.wh..wh..opq';

/** What a layer has to say about one name. */
export interface LayerEntry {
  /** Names need not be UTF-8, so this is a latin1 string: one character a byte. */
  path: string;
  isDirectory: boolean;
}

/**
 * Makes the tree of the layers below ready to have the layer in `file` unpacked over it: removes what the layer removes, and what
 * it replaces by something of another kind. Only what a layer has in its directories is looked at, never through a link. Throws
 * a FetchError.
 */
export async function clearForLayer(tree: string, file: string, signal: AbortSignal): Promise<void> {
  let below = new Below(tree);
  let doomed: Buffer[] = [];
  const remove = async () => {
    if (doomed.length === 0) return;
    const names = Buffer.concat(doomed.flatMap((path) => [path, Buffer.from([0])]));
    await runProgram('xargs', ['-0', 'rm', '-rf', '--one-file-system', '--'], { signal, input: names });
    doomed = [];
    // What it knew may be gone.
    below = new Below(tree);
  };
  await listLayer(file, signal, async (entry) => {
    for (const path of below.removedBy(entry)) {
      doomed.push(path);
      if (doomed.length >= mostDoomed) await remove();
    }
    if (below.known >= mostKnown) below = new Below(tree);
  });
  await remove();
}

/** So much is remembered of a layer at a time, however many entries it has. */
const mostDoomed = 10_000;
const mostKnown = 20_000;

/** The tree as the layers below have made it. */
class Below {
  readonly #root: string;
  /** Whether a path is a directory, and reached without a link. */
  readonly #directories = new Map<string, boolean>([['', true]]);

  constructor(root: string) {
    this.#root = root;
  }

  /** What must not be there when the entry is unpacked. Whether it is excluded itself is not looked at. */
  *removedBy({ path, isDirectory }: LayerEntry): Generator<Buffer> {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw unsafe(path);
    const name = parts.pop();
    // The root itself.
    if (name === undefined) return;
    const parent = parts.join('/');
    // What is below of something that is no directory is new in any case.
    if (!this.#isDirectory(parent)) return;
    if (name === opaque) {
      for (const child of readdirSync(this.#bytes(parent), 'latin1')) yield this.#bytes(join(parent, child));
    } else if (name.startsWith(prefix)) {
      const target = name.slice(prefix.length);
      if (['', '.', '..'].includes(target)) throw unsafe(path);
      if (this.#stat(join(parent, target))) yield this.#bytes(join(parent, target));
    } else {
      const there = this.#stat(join(parent, name));
      // A link goes too: what comes in its place must not be written to where it leads.
      if (there && (there.isDirectory() !== isDirectory || there.isSymbolicLink()))
        yield this.#bytes(join(parent, name));
    }
  }

  /** How much it remembers. */
  get known(): number {
    return this.#directories.size;
  }

  #isDirectory(path: string): boolean {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const is = this.#isDirectory(parent) && (this.#stat(path)?.isDirectory() ?? false);
    this.#directories.set(path, is);
    return is;
  }

  #stat = (path: string): Stats | undefined => lstatSync(this.#bytes(path), { throwIfNoEntry: false });
  #bytes = (path: string): Buffer => Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')]);
}

const join = (parent: string, name: string) => (parent === '' ? name : `${parent}/${name}`);

function unsafe(path: string): FetchError {
  const message = `A layer tries to change what is outside of its root: ${JSON.stringify(path)}; do not trust its source`;
  return new FetchError('UnsafeArchive', message);
}

type OnEntry = (entry: LayerEntry) => Promise<void> | void;

const list = ['bsdtar', '-tvf', '-', '--ignore-zeros', '--uid', '0', '--gid', '0'];
const lister = { work: 'filter', memoryBytes: 96 * 1024 * 1024 } as const;

/** Calls `entry` for each entry of a layer, which is read as it will be unpacked: by the same decompressor, to the same end. */
async function listLayer(file: string, signal: AbortSignal, entry: OnEntry): Promise<void> {
  const input = await open(file);
  const children: ChildProcess[] = [];
  const ends: Promise<Ending>[] = [];
  try {
    const head = Buffer.alloc(sniffBytes);
    const { bytesRead } = await input.read(head, 0, head.length, 0);
    const decompressor = detectCompression(head.subarray(0, bytesRead));
    const child = start(list, lister, decompressor ? 'pipe' : input.fd, 'pipe', signal);
    children.push(child);
    ends.push(follow(child, 'bsdtar'));
    if (decompressor) {
      const tarInput = child.stdin as Writable;
      const unpacking = startDecompressor(decompressor, input.fd, tarInput, signal);
      tarInput.destroy();
      children.unshift(unpacking);
      ends.unshift(follow(unpacking, decompressor[0]));
    }
    await readEntries(child.stdout as Readable, entry);
  } catch (error) {
    for (const child of children) child.kill('SIGKILL');
    throw error;
  } finally {
    await input.close();
    await Promise.all(ends);
  }
  const failure = diagnose(await Promise.all(ends));
  signal.throwIfAborted();
  if (failure) throw failure;
}

async function readEntries(output: Readable, entry: OnEntry): Promise<void> {
  output.setEncoding('latin1');
  for await (const line of createInterface({ input: output, crlfDelay: Infinity })) {
    const parsed = parseEntry(line);
    if (parsed) await entry(parsed);
  }
}

const listed = /^(.)\S{9}[+ ]? *\d+ +\S+ +\S+ +\S+ +\w{3} +\d+ +[\d:]+ (.*)$/;
const arrows = { l: ' -> ', h: ' link to ' };

/**
 * One line of `bsdtar -tv`, which writes every byte that is not printable in an escaped way. Of a link both names are in the
 * line; where one of them has an arrow in it, which is which cannot be told: then nothing is given, and should the link
 * replace a directory, unpacking fails.
 */
export function parseEntry(line: string): LayerEntry | undefined {
  const [, type = '', rest = ''] = listed.exec(line) ?? [];
  if (type === '')
    throw new FetchError('CorruptArchive', `A layer has an entry that cannot be read: ${truncate(line, 200)}`);
  if (type !== 'l' && type !== 'h') return { path: unescape(rest), isDirectory: type === 'd' };
  const names = rest.split(arrows[type]);
  return names.length === 2 ? { path: unescape(names[0] ?? ''), isDirectory: false } : undefined;
}

const letters: Partial<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3}|.)/g, (_all, code: string) =>
    code.length === 3 ? String.fromCharCode(parseInt(code, 8)) : (letters[code] ?? code),
  );

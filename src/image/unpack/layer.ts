import { lstatSync, opendirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import type { Readable } from 'node:stream';
import { FetchError } from '../failure.ts';
import { runProgram } from '../../system/programs.ts';
import { detectCompression, sniffBytes } from './compression.ts';
import { diagnose } from './diagnose.ts';
import { bytesOf, bytesOfName, isWhiteout, linksOf, mostBytes, whiteoutPrefix as prefix } from './layer-filter.ts';
import { placeOf } from './tar/filter.ts';
import { Links, partsOf } from './tar/links.ts';
import { TarReader } from './tar/reader.ts';
import type { TarEntry } from './tar/reader.ts';
import { follow, startDecompressor } from './pipeline.ts';

/**
 * The layers of an OCI image are archives that go one over the other; a file `.wh.NAME` removes NAME of the layers below, and
 * `.wh..wh..opq` all that is in its directory (https://github.com/opencontainers/image-spec/blob/main/layer.md).
 */
const opaque = '.wh..wh..opq';

/**
 * Makes the tree of the layers below ready to have the layer in `file` unpacked over it: removes what the layer removes, and what
 * it replaces by something of another kind. A path through a link is that to which the link leads, as when the layer is unpacked.
 * Throws a FetchError.
 */
export async function clearForLayer(tree: string, file: string, signal: AbortSignal): Promise<void> {
  let below = new Below(tree);
  const doomed = new Doomed(tree, signal);
  const links = new Links('layer', linksOf(tree));
  const note = (entry: TarEntry) => {
    const place = placeOf(entry, links);
    // What removes something does so where it says, and through no link.
    const path = isWhiteout(entry.path) ? entry.path : place.path;
    const found = below.removedBy(path, entry.isDirectory);
    if (!found) return;
    doomed.add(found);
    // Nothing is there any more; what replaces it was noted already.
    if (found.isEmptied) for (const child of below.childrenOf(found.path)) links.put(child);
    else if (found.path !== partsOf(path).join('/')) links.put(found.path);
  };
  await listLayer(file, signal, note, async () => {
    if (doomed.bytes >= mostBytes) {
      await doomed.remove();
      // What it knew may be gone.
      below = new Below(tree);
    }
    if (below.bytes >= mostBytes) below = new Below(tree);
  });
  await doomed.remove();
}

/** What must go: a path, or all that is in that directory. */
interface Found {
  path: string;
  isEmptied: boolean;
}

/** Paths of a tree that are removed, many at once, by programs that go through directories of any size in little memory. */
class Doomed {
  readonly #tree: string;
  readonly #signal: AbortSignal;
  #paths: Buffer[] = [];
  #emptied: Buffer[] = [];
  bytes = 0;

  constructor(tree: string, signal: AbortSignal) {
    this.#tree = tree;
    this.#signal = signal;
  }

  add({ path, isEmptied }: Found): void {
    (isEmptied ? this.#emptied : this.#paths).push(Buffer.from(`./${path}`, 'latin1'));
    this.bytes += path.length + bytesOfName;
  }

  async remove(): Promise<void> {
    await this.#run(this.#paths, ['rm', '-rf', '--one-file-system', '--']);
    await this.#run(this.#emptied, ['sh', '-c', emptying, 'sh']);
    [this.#paths, this.#emptied, this.bytes] = [[], [], 0];
  }

  async #run(paths: readonly Buffer[], command: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const input = Buffer.concat(paths.flatMap((path) => [path, Buffer.from([0])]));
    await runProgram('xargs', ['-0', ...command], {
      cwd: this.#tree,
      signal: this.#signal,
      input,
      jail: { work: 'remove', directory: this.#tree, memoryBytes: 128 * 1024 * 1024 },
    });
  }
}

/** One of them may have gone with another one. */
const emptying = 'for path; do [ ! -d "$path" ] || find "$path" -mindepth 1 -xdev -delete || exit 1; done';

/** The tree as the layers below have made it. */
class Below {
  readonly #root: string;
  /** Whether a path is a directory, and reached without a link. */
  readonly #directories = new Map<string, boolean>([['', true]]);

  constructor(root: string) {
    this.#root = root;
  }

  /** How much it remembers. */
  bytes = 0;

  /** What must not be there when an entry is unpacked to this path, in which no link is. */
  removedBy(path: string, isDirectory: boolean): Found | undefined {
    const parts = partsOf(path);
    if (parts.includes('..')) throw unsafe(path);
    const name = parts.pop();
    // The root itself.
    if (name === undefined) return undefined;
    const parent = parts.join('/');
    // What is below of something that is no directory is new in any case.
    if (!this.#isDirectory(parent)) return undefined;
    if (name === opaque) return { path: parent, isEmptied: true };
    const isWhite = name.startsWith(prefix);
    const target = isWhite ? name.slice(prefix.length) : name;
    if (isWhite && ['', '.', '..'].includes(target)) throw unsafe(path);
    const there = this.#stat(join(parent, target));
    // A link goes too: what comes in its place must not be written to where it leads.
    const isReplaced = there && (there.isDirectory() !== isDirectory || there.isSymbolicLink());
    return there && (isWhite || isReplaced) ? { path: join(parent, target), isEmptied: false } : undefined;
  }

  /** Paths of all that is in a directory, some at a time. */
  *childrenOf(parent: string): Generator<string> {
    const directory = opendirSync(this.#bytes(parent), { encoding: 'latin1' });
    try {
      for (let child = directory.readSync(); child; child = directory.readSync()) yield join(parent, child.name);
    } finally {
      directory.closeSync();
    }
  }

  #isDirectory(path: string): boolean {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const is = this.#isDirectory(parent) && (this.#stat(path)?.isDirectory() ?? false);
    this.#directories.set(path, is);
    this.bytes += path.length + bytesOfName;
    return is;
  }

  #stat = (path: string): Stats | undefined => lstatSync(this.#bytes(path), { throwIfNoEntry: false });
  #bytes = (path: string): Buffer => bytesOf(this.#root, path);
}

const join = (parent: string, name: string) => (parent === '' ? name : `${parent}/${name}`);

function unsafe(path: string): FetchError {
  const message = `A layer tries to change what is outside of its root: ${JSON.stringify(path)}; do not trust its source`;
  return new FetchError('UnsafeArchive', message);
}

/** Calls `entry` for each entry of a layer, which is read as it will be unpacked: by the same decompressor, to the same end. */
async function listLayer(
  file: string,
  signal: AbortSignal,
  entry: (entry: TarEntry) => void,
  between: () => Promise<void>,
): Promise<void> {
  const reader = new TarReader({
    kind: 'layer',
    entry: (it) => {
      entry(it);
      return undefined;
    },
  });
  const input = await open(file);
  try {
    const head = Buffer.alloc(sniffBytes);
    const { bytesRead } = await input.read(head, 0, head.length, 0);
    const decompressor = detectCompression(head.subarray(0, bytesRead));
    const read = async (stream: AsyncIterable<Buffer>) => {
      for await (const chunk of stream) {
        reader.push(chunk);
        await between();
      }
    };
    if (decompressor) await readDecompressed(input, decompressor, read, signal);
    else await read(input.createReadStream({ start: 0, autoClose: false, highWaterMark: 1024 * 1024, signal }));
    reader.end();
    signal.throwIfAborted();
    if (!reader.isWhole) {
      const message = 'A layer ends too early although its digest is right';
      throw new FetchError('TruncatedArchive', `${message}; build and upload it again`);
    }
  } finally {
    await input.close();
  }
}

async function readDecompressed(
  input: FileHandle,
  decompressor: readonly string[],
  read: (stream: Readable) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const child = startDecompressor(decompressor, input.fd, 'pipe', signal);
  const ended = follow(child, decompressor[0] ?? '');
  let failure: unknown;
  try {
    await read(child.stdout as Readable);
  } catch (error) {
    failure = error;
    child.kill('SIGKILL');
  }
  const ending = await ended;
  signal.throwIfAborted();
  // What the program said comes before what was made of its last bytes; it is killed for that.
  const said = failure === undefined || ending.complaint !== '' ? diagnose([ending]) : undefined;
  const thrown = said ?? failure;
  if (thrown !== undefined) throw thrown as Error;
}

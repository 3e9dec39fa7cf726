import { FetchError } from '../../image/failure.ts';
import { maxEntries, maxPathBytes, tooLongPaths, tooManyEntries } from '../../image/disk/limits.ts';
import { contentKey, lineOf } from './manifest.ts';
import { escaped, unescaped } from './names.ts';
import { Sorter } from './sorter.ts';
import type { SorterOptions } from './sorter.ts';
import { walk } from '../../system/walk.ts';
import type { FileType, Found } from '../../system/walk.ts';

export interface TreeSize {
  /** On disk; a file with several names counts once. */
  bytes: number;
  files: number;
  /** Memory that a copy of each top-level directory takes in a tmpfs, by its name; names that are no UTF-8 are left out. */
  overlayBytes: Map<string, number>;
}

/** A regular file of a new tree that may be shared. */
export interface NewFile {
  /** See `keyOf` of the manifest. */
  key: string;
  /** One of its names, relative to the tree, as lists have it. */
  name: string;
  names: number;
  inode: string;
  diskBytes: number;
}

const pageBytes = 4096;
/** The kernel takes no longer path in one call: not from us, and not from a container's program. */
const longestPath = 4095;
const directoryOfDevices = 'dev/';

/**
 * What one walk over a new tree finds: its size, its manifest, and lists of its files, in little memory however many there are. `close` is
 * to be called in any case.
 */
export class Survey {
  readonly size: TreeSize = { bytes: 0, files: 0, overlayBytes: new Map() };
  /** Lines of the manifest. */
  readonly manifest: Sorter;
  readonly #files: Sorter;
  /** Names of files that have several, by their inodes. */
  readonly #names: Sorter;

  readonly #maxPathBytes: number;
  #pathBytes = 0;

  /** `maxPathBytes`: of all paths together. */
  constructor(options: SorterOptions & { maxPathBytes?: number }) {
    this.#maxPathBytes = options.maxPathBytes ?? maxPathBytes;
    this.manifest = new Sorter(options);
    this.#files = new Sorter(options);
    this.#names = new Sorter(options);
  }

  /**
   * Walks over the tree of an entry. Throws UnsafeArchive for a device outside its top-level `dev`: no container sees that directory of an
   * image, all others would offer the device; and for a path that is too long. Throws TooLarge for more entries, or longer paths of all of them, than are allowed.
   */
  async look(root: string, signal: AbortSignal): Promise<void> {
    for await (const batch of walk(root, { signal })) {
      for (const found of batch) this.#add(root, found);
      await Promise.all([this.manifest.settle(), this.#files.settle(), this.#names.settle()]);
    }
    await this.#countNames();
  }

  /** Regular files that take space, by their keys; of those with several names one. */
  async *files(): AsyncGenerator<NewFile> {
    for await (const line of this.#files.sorted()) {
      const [key = '', name = '', names, inode = '', diskBytes] = line.split('\t');
      yield { key, name, names: Number(names), inode, diskBytes: Number(diskBytes) };
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.manifest.close(), this.#files.close(), this.#names.close()]);
  }

  #add(root: string, found: Found): void {
    const { path, type, links } = found;
    // In the same list as files beside the tree.
    this.manifest.add(lineOf(path === '' ? 'root' : `root/${path}`, found, root));
    if (path === '') return;
    if (root.length + 1 + path.length > longestPath) throw tooLong();
    if ((type === 'block' || type === 'char') && !path.startsWith(directoryOfDevices)) throw device(path);
    this.size.files += 1;
    if (this.size.files > maxEntries) throw tooManyEntries();
    this.#pathBytes += path.length;
    if (this.#pathBytes > this.#maxPathBytes) throw tooLongPaths();
    if (links > 1 && type !== 'dir') {
      const { inode, bytes, diskBytes } = found;
      const key = type === 'file' ? contentKey(found) : '';
      this.#names.add([inode, escaped(path), key, bytes, diskBytes].join('\t'));
      return;
    }
    this.size.bytes += found.diskBytes;
    this.#addToOverlay(path, found.type, found.bytes, found.diskBytes);
    if (type === 'file')
      this.#addFile({ ...found, key: contentKey(found), name: escaped(path), names: 1 }, found.bytes);
  }

  #addFile({ key, name, names, inode, diskBytes }: NewFile, bytes: number): void {
    // An empty file takes no space.
    if (bytes > 0) this.#files.add([key, name, names, inode, diskBytes].join('\t'));
  }

  /** A file with several names takes space once, but in a copy of each top-level directory that has one of them. */
  async #countNames(): Promise<void> {
    let file: (NewFile & { bytes: number; tops: Set<string> }) | undefined;
    const counted = () => {
      if (file && file.key !== '') this.#addFile(file, file.bytes);
    };
    for await (const name of this.names()) {
      if (file?.inode !== name.inode) {
        counted();
        await this.#files.settle();
        file = { ...name, names: 0, tops: new Set() };
        this.size.bytes += name.diskBytes;
      }
      file.names += 1;
      const top = topOf(name.name);
      if (file.tops.has(top)) continue;
      file.tops.add(top);
      this.#addToOverlay(unescaped(name.name), name.key === '' ? 'link' : 'file', name.bytes, name.diskBytes);
    }
    counted();
  }

  /** Names of files that have several: all of one file after another. */
  async *names(): AsyncGenerator<Omit<NewFile, 'names'> & { bytes: number }> {
    for await (const line of this.#names.sorted()) {
      const [inode = '', name = '', key = '', bytes, diskBytes] = line.split('\t');
      yield { inode, name, key, bytes: Number(bytes), diskBytes: Number(diskBytes) };
    }
  }

  /** A tmpfs holds whole pages, and none for a hole: the copy keeps holes. */
  #addToOverlay(path: string, type: FileType, bytes: number, diskBytes: number): void {
    const top = topOf(path);
    if (type !== 'file' || path === top) return;
    const sizes = this.size.overlayBytes;
    sizes.set(top, (sizes.get(top) ?? 0) + Math.ceil(dataBytes(bytes, diskBytes) / pageBytes) * pageBytes);
  }
}

/** Some file systems keep the few bytes of a small file beside it, which takes no block then. */
const dataBytes = (bytes: number, diskBytes: number) => (bytes <= pageBytes ? bytes : Math.min(bytes, diskBytes));

const topOf = (path: string) => path.split('/', 1)[0] ?? '';

function device(path: string): FetchError {
  return new FetchError('UnsafeArchive', `${path} is a device; build the archive without devices outside of dev`);
}

function tooLong(): FetchError {
  return new FetchError('UnsafeArchive', 'A path is longer than 4096 bytes, so no program could use it; shorten it');
}

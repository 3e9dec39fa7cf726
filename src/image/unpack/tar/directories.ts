import { FetchError } from '../../failure.ts';
import { partsOf } from './links.ts';

/** Bits of what was seen: with a million directories, one in a thousand is taken for another one, which costs a little and no more. */
const bits = 2 ** 26;
const mostBytes = 16 * 1024 * 1024;

/**
 * Finds directories that an archive has twice, or after something in them. bsdtar sets their times in the end, and of two entries
 * those of the first; so the last ones are kept, to be restored again.
 */
export class Directories {
  readonly #seen = new Uint8Array(bits / 8);
  readonly #again = new Map<string, readonly Buffer[]>();
  #bytes = 0;

  /** Notes an entry, and for a directory the blocks that restore it. Throws UnsupportedArchive when too many came twice. */
  note(path: string, directory: readonly Buffer[] | undefined): void {
    const parts = partsOf(path);
    const key = parts.join('/');
    for (let length = parts.length - 1; length > 0; length--) if (this.#add(parts.slice(0, length).join('/'))) break;
    if (!directory || key === '' || !this.#add(key)) return;
    const copies = directory.map((block) => Buffer.from(block));
    this.#bytes += key.length + 100 + copies.reduce((sum, { length }) => sum + length, 0);
    if (this.#bytes > mostBytes) {
      const message = `The archive has too many directories twice, or after what is in them, ${this.#again.size} so far`;
      throw new FetchError('UnsupportedArchive', `${message}; unpack it and pack the tree`);
    }
    // A body follows the header of a dump of a directory; without it nothing is lost.
    if (directory.length > 0) this.#again.set(key, copies);
  }

  /** The last entries of those that came twice. */
  repeated(): Buffer | undefined {
    return this.#again.size === 0 ? undefined : Buffer.concat([...this.#again.values()].flat());
  }

  /** Whether it was there before. */
  #add(key: string): boolean {
    let [one, other] = [0x811c9dc5, 0x9747b28c];
    for (let at = 0; at < key.length; at++) {
      one = Math.imul(one ^ key.charCodeAt(at), 0x01000193);
      other = Math.imul(other ^ key.charCodeAt(at), 0x5bd1e995) ^ (other >>> 15);
    }
    const places = [one ^ (one >>> 13), other ^ (other >>> 11)].map((hash) => (hash >>> 0) % bits);
    const isThere = places.every((place) => ((this.#seen[place >>> 3] ?? 0) & (1 << (place & 7))) !== 0);
    for (const place of places) this.#seen[place >>> 3] = (this.#seen[place >>> 3] ?? 0) | (1 << (place & 7));
    return isThere;
  }
}

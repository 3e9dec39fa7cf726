import { partsOf } from './links.ts';

/** Bits of what was seen: with a million directories, one in a thousand is taken for another one, which costs a little and no more. */
const bits = 2 ** 26;
/** Of their headers. Beyond it directories have the time of the unpacking, and nothing else is wrong with them. */
const mostBytes = 16 * 1024 * 1024;

/**
 * Finds directories that an archive has twice, or after something in them, or that are in the layers below. bsdtar sets times of
 * directories in the end, of two entries those of the first, and not those of a directory that was there; so the last ones are kept, to be restored
 * again.
 */
export class Directories {
  readonly #seen = new Uint8Array(bits / 8);
  readonly #again = new Map<string, readonly Buffer[]>();
  readonly #isBelow: (path: string) => boolean;
  #bytes = 0;

  constructor(isBelow: (path: string) => boolean = () => false) {
    this.#isBelow = isBelow;
  }

  /** Notes an entry, and for a directory the blocks that restore it. */
  note(path: string, directory: readonly Buffer[] | undefined): void {
    const parts = partsOf(path);
    const key = parts.join('/');
    for (let length = parts.length - 1; length > 0; length--) if (this.#add(parts.slice(0, length).join('/'))) break;
    // What has taken the place of a directory stays.
    if (!directory) this.#again.delete(key);
    if (!directory || key === '') return;
    const isThere = this.#add(key);
    if (!isThere && !this.#isBelow(key)) return;
    const bytes = key.length + 100 + directory.reduce((sum, { length }) => sum + length, 0);
    if (this.#bytes + bytes > mostBytes) return;
    this.#bytes += bytes;
    // Copies: what they are cut from is much larger.
    const copies = directory.map((block) => Buffer.from(block));
    this.#again.set(key, copies);
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

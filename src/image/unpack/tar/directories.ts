import { FetchError } from '../../failure.ts';
import { partsOf } from './links.ts';
import { quoted } from './text.ts';

/** Bits of what was seen: with a million directories, one in a thousand is taken for another one, which costs a little and no more. */
const bits = 2 ** 26;
/** Of their headers. Beyond it directories have the time of the unpacking, and nothing else is wrong with them. */
const mostBytes = 16 * 1024 * 1024;

/** An entry of a directory, as it is restored again. */
export interface DirectoryEntry {
  acl: { access: boolean; default: boolean };
  /** The blocks that restore it. */
  blocks: () => Buffer[];
  /** The same directory without attributes and with another mode: only then does bsdtar set the default ACL of one that is there. */
  otherMode: () => Buffer[];
}

/**
 * Finds directories that an archive has twice, or after something in them, or that are in the layers below. bsdtar sets times of
 * directories in the end, of two entries those of the first, and not those of a directory that was there, nor its default ACL; so the last ones are kept, to be restored
 * again. An ACL that only an earlier one has would stay and give rights: that is refused (UnsupportedArchive).
 */
export class Directories {
  readonly #seen = new Uint8Array(bits / 8);
  readonly #again = new Map<string, { first: Buffer | undefined; second: Buffer }>();
  /** Those with an ACL. */
  readonly #acls = new Map<string, DirectoryEntry['acl']>();
  readonly #isBelow: (path: string) => boolean;
  #bytes = 0;

  constructor(isBelow: (path: string) => boolean = () => false) {
    this.#isBelow = isBelow;
  }

  /** Notes an entry, and what it is if it is a directory. */
  note(path: string, directory: DirectoryEntry | undefined): void {
    const parts = partsOf(path);
    const key = parts.join('/');
    for (let length = parts.length - 1; length > 0; length--) if (this.#add(parts.slice(0, length).join('/'))) break;
    this.#noteAcl(path, key, directory?.acl);
    // What has taken the place of a directory stays.
    if (!directory) this.#again.delete(key);
    if (!directory || key === '') return;
    const isThere = this.#add(key);
    if (isThere || this.#isBelow(key)) this.#keep(key, directory);
  }

  /** Throws UnsupportedArchive for a directory that would keep an ACL which this entry does not have. */
  #noteAcl(path: string, key: string, acl: DirectoryEntry['acl'] | undefined): void {
    // What takes the place of a directory leaves it here: bsdtar sets the ACL in the end, if there is a directory of the name again.
    if (!acl) return;
    const before = this.#acls.get(key);
    this.#acls.delete(key);
    for (const kind of ['access', 'default'] as const) if (before?.[kind] && !acl[kind]) refuse(path, kind);
    if ((acl.access || acl.default) && this.#claim(key.length + bytesOfEntry)) this.#acls.set(key, acl);
  }

  #keep(key: string, { acl, blocks, otherMode }: DirectoryEntry): void {
    const second = Buffer.concat(blocks());
    const first = acl.default ? Buffer.concat(otherMode()) : undefined;
    const bytes = key.length + bytesOfEntry + second.length + (first?.length ?? 0);
    if (this.#claim(bytes)) this.#again.set(key, { first, second });
  }

  /** Streams of the last entries of those that came twice, to be restored one after the other. */
  repeated(): Buffer[] {
    const all = [...this.#again.values()];
    const streams = [all.flatMap(({ first }) => first ?? []), all.map(({ second }) => second)];
    return streams.filter((it) => it.length > 0).map((it) => Buffer.concat(it));
  }

  /** Whether so much more may be remembered. */
  #claim(bytes: number): boolean {
    if (this.#bytes + bytes > mostBytes) return false;
    this.#bytes += bytes;
    return true;
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

const bytesOfEntry = 100;

function refuse(path: string, kind: 'access' | 'default'): never {
  const acl = kind === 'access' ? 'an ACL' : 'a default ACL';
  const message = `${quoted(path)} is there twice, first with ${acl} and then without, and it would keep what it gives`;
  throw new FetchError('UnsupportedArchive', `${message}; unpack all of it with GNU tar and pack the tree`);
}

import { errorCode } from '../../system/errors.ts';
import { parseFile, readManifest } from './manifest.ts';
import type { NewFile } from './measure.ts';
import { escaped } from './names.ts';
import { Sorter } from './sorter.ts';
import type { SorterOptions } from './sorter.ts';

/** Published files that are tried for one new file: with times that a build has set all alike, many look the same. */
const mostCandidates = 4;
/** Published files that are looked through for those. */
const mostAhead = 16;
const prefix = 'root/';

/** A published file that looks the same as a new one. */
export interface Candidate {
  /** Which of the entries has it. */
  entry: string;
  /** Relative to its tree, as lists have it. */
  name: string;
}

/**
 * New files, with up to four published files each that look the same: one of the same name first. Both are sorted by what can be seen of a file
 * without reading it and then by name, and gone through side by side, so that the work grows with their number, and the memory does not,
 * however many look the same. `entries` are tried in their order; one may vanish meanwhile.
 */
export async function* withCandidates(
  files: () => AsyncGenerator<NewFile>,
  entries: readonly string[],
  options: SorterOptions,
): AsyncGenerator<{ file: NewFile; candidates: Candidate[] }> {
  const known = new KeyFilter();
  for await (const { key } of files()) known.add(key);
  const published = new Sorter(options);
  try {
    for (const [rank, entry] of entries.entries()) await addPublished(published, rank, entry, known);
    const ahead = new Ahead(published.sorted());
    let [key, others]: [string, Published[]] = ['', []];
    for await (const file of files()) {
      if (file.key !== key) {
        await ahead.skip((it) => it.key < file.key);
        key = file.key;
        others = firstNames(await ahead.peek((it) => it.key === key));
      }
      await ahead.skip((it) => it.key === key && it.name < file.name);
      const named = await ahead.peek((it) => it.key === key && it.name === file.name);
      const candidates = [...named, ...others.filter((it) => it.name !== file.name)].slice(0, mostCandidates);
      const at = ({ rank, name }: Published) => ({ entry: entries[rank] ?? '', name });
      if (candidates.length > 0) yield { file, candidates: candidates.map(at) };
    }
  } finally {
    await published.close();
  }
}

interface Published {
  key: string;
  name: string;
  /** Place of its entry in the list of entries. */
  rank: number;
}

async function addPublished(to: Sorter, rank: number, entry: string, known: KeyFilter): Promise<void> {
  const place = String(rank).padStart(4, '0');
  try {
    for await (const line of readManifest(entry)) {
      const file = parseFile(line);
      if (!file?.path.startsWith(prefix) || !known.has(file.key)) continue;
      to.add([file.key, escaped(file.path.slice(prefix.length)), place].join('\t'));
      await to.settle();
    }
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errorCode(error))) throw error;
  }
}

/** The best of each name. */
function firstNames(published: readonly Published[]): Published[] {
  const names = new Map<string, Published>();
  for (const it of published) if (!names.has(it.name)) names.set(it.name, it);
  return [...names.values()].slice(0, mostCandidates);
}

/** A sorted list of which a few items can be seen before they are taken. */
class Ahead {
  readonly #lines: AsyncGenerator<string>;
  readonly #seen: Published[] = [];

  constructor(lines: AsyncGenerator<string>) {
    this.#lines = lines;
  }

  async skip(unwanted: (it: Published) => boolean): Promise<void> {
    for (let it = await this.#at(0); it && unwanted(it); it = await this.#at(0)) this.#seen.shift();
  }

  async peek(desired: (it: Published) => boolean): Promise<Published[]> {
    const found: Published[] = [];
    for (let it = await this.#at(0); it && desired(it) && found.length < mostAhead; it = await this.#at(found.length)) {
      found.push(it);
    }
    return found;
  }

  async #at(index: number): Promise<Published | undefined> {
    if (index < this.#seen.length) return this.#seen[index];
    const line = await this.#lines.next();
    if (line.done === true) return undefined;
    const [key = '', name = '', rank] = line.value.split('\t');
    const it = { key, name, rank: Number(rank) };
    this.#seen.push(it);
    return it;
  }
}

/** Tells of most keys that are not there that they are not, in little memory (a Bloom filter with two bits a key). */
class KeyFilter {
  readonly #bits = new Uint8Array(1 << 20);

  add(key: string): void {
    for (const bit of bitsOf(key)) this.#bits[bit >> 3] = (this.#bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  has(key: string): boolean {
    return bitsOf(key).every((bit) => ((this.#bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
  }
}

/** FNV-1a, folded in two ways to the 2^23 bits of the filter. */
function bitsOf(key: string): [number, number] {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193) >>> 0;
  return [hash >>> 9, Math.imul(hash, 0x9e3779b1) >>> 9];
}

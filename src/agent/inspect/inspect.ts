import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { join } from 'node:path';
import type { InspectedFile, InspectionLine } from '../../api/inspection.ts';
import { readImageFile } from '../store/image-file.ts';
import { readAttributes } from '../store/attributes.ts';
import { hasDigests, nameOf, readSortedManifest, sortedLines } from '../store/manifest.ts';
import { escaped, unescaped } from '../store/names.ts';
import { imageName } from '../../api/images.ts';
import type { SorterOptions } from '../store/sorter.ts';
import { Packages } from './packages.ts';

/**
 * Tells all about an entry of the store, without changing anything, in little memory however many files it has; throws when it is no whole
 * image. The lists of the entry, of its attributes and of its packages are sorted by name, and gone through side by side.
 */
export async function* inspectEntry(entry: string, options: SorterOptions): AsyncGenerator<InspectionLine> {
  const image = await readImageFile(entry);
  const packages = new Packages(options);
  try {
    await packages.read(join(entry, 'root'));
    const { records, notes } = packages;
    const contents = await hasDigests(entry);
    yield { kind: 'image', image: imageName(image), digest: image.digest, contents, records, notes };
    for await (const one of packages.installed()) yield { kind: 'package', ...one };
    yield* filesOf(entry, packages, options);
    yield { kind: 'end' };
  } finally {
    await packages.close();
  }
}

async function* filesOf(entry: string, packages: Packages, options: SorterOptions): AsyncGenerator<InspectedFile> {
  const attributes = new Beside(sortedLines(readAttributes(entry), options));
  const owners = new Beside(packages.owners());
  try {
    for await (const line of readSortedManifest(entry, options)) {
      const file = fileOf(line);
      if (!file || file.path === 'image.json') continue;
      const name = nameOf(line);
      const own = await attributes.of(name);
      const owner = (await owners.of(name)).last;
      yield {
        ...file,
        ...(own.first.length > 0 && { attributes: listed(own) }),
        ...(owner !== undefined && { package: readable(owner) }),
      };
    }
  } finally {
    await attributes.close();
    await owners.close();
  }
}

/** Of one file at a time. */
const mostAttributes = 256;
const longestAttribute = 4096;

/** What a list has for one name. */
interface Facts {
  /** As many of them as are kept. */
  first: string[];
  last: string | undefined;
  /** Of those that are not kept. */
  others: { count: number; hash: Hash } | undefined;
}

/** A list that is sorted by name, of which the lines are asked for in that order. */
class Beside {
  readonly #lines: AsyncGenerator<string>;
  #next: string | undefined | null = null;

  constructor(lines: AsyncGenerator<string>) {
    this.#lines = lines;
  }

  async of(name: string): Promise<Facts> {
    const facts: Facts = { first: [], last: undefined, others: undefined };
    for (let line = await this.#peek(); line !== undefined && nameOf(line) <= name; line = await this.#peek()) {
      this.#next = null;
      if (nameOf(line) !== name) continue;
      facts.last = line.slice(name.length + 1);
      if (facts.first.length < mostAttributes) facts.first.push(shortened(facts.last));
      else {
        facts.others ??= { count: 0, hash: createHash('sha256') };
        facts.others.count += 1;
        facts.others.hash.update(`${facts.last}\n`);
      }
    }
    return facts;
  }

  async close(): Promise<void> {
    await this.#lines.return(undefined);
  }

  async #peek(): Promise<string | undefined> {
    if (this.#next === null) {
      const line = await this.#lines.next();
      this.#next = line.done === true ? undefined : line.value;
    }
    return this.#next;
  }
}

/** The name as text, like names of files; a long value by its digest. */
function shortened(attribute: string): string {
  const end = attribute.includes('=') ? attribute.indexOf('=') : attribute.length;
  const [name, value] = [readable(escaped(unescaped(attribute.slice(0, end)))), attribute.slice(end)];
  if (attribute.length <= longestAttribute) return name + value;
  return `${name.slice(0, longestAttribute)}=sha256:${createHash('sha256').update(value.slice(1)).digest('hex')}`;
}

const listed = ({ first, others }: Facts): string[] =>
  others ? [...first, `${others.count} more=sha256:${others.hash.digest('hex')}`] : first;

const types = new Set<string | undefined>(['file', 'dir', 'link', 'char', 'block', 'fifo', 'socket']);

/** Reads a line of a manifest; undefined when it is none. */
function fileOf(line: string): InspectedFile | undefined {
  const [path = '', ...words] = line.split(' ');
  const facts = new Map(words.map((word) => word.split(/=(.*)/s, 2) as [string, string]));
  const type = facts.get('type');
  if (!types.has(type)) return undefined;
  const [size, target, device, sha256] = ['size', 'link', 'device', 'sha256digest'].map((name) => facts.get(name));
  return {
    kind: 'file',
    path: pathOf(path),
    type: type as InspectedFile['type'],
    mode: (facts.get('mode') ?? '').padStart(4, '0'),
    uid: Number(facts.get('uid')),
    gid: Number(facts.get('gid')),
    ...(size !== undefined && { size: Number(size) }),
    ...(target !== undefined && { target: readable(target) }),
    ...(device !== undefined && { device }),
    ...(sha256 !== undefined && { sha256 }),
    time: facts.get('time') ?? '',
  };
}

/** `./root/etc/passwd` is /etc/passwd, `./mount.sh` is mount.sh. */
const pathOf = (path: string) => readable(path.replace(/^\.\/root$/, '/').replace(/^\.\/(root(?=\/))?/, ''));

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A name as text where it is UTF-8 without control characters, else as the manifest has it: no terminal should obey it. */
function readable(escaped: string): string {
  if (!escaped.includes('\\')) return escaped;
  try {
    const text = utf8.decode(Buffer.from(unescaped(escaped), 'latin1'));
    return /\p{C}|[\u2028\u2029]/u.test(text) ? escaped : text;
  } catch {
    return escaped;
  }
}

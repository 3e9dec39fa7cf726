import { join } from 'node:path';
import { addDigests, currentAttributes, currentManifest, hasDigests } from './manifest.ts';
import { manifestName, readAttributes, readManifest } from './manifest.ts';
import { exists } from './publish.ts';

const mostTold = 3;
const longestPath = 200;

/**
 * How a published entry differs from its manifest: a sentence that names up to three files, or undefined when it does not.
 * Without `content` one look at each file is taken, which finds what is missing, added or visibly another; with it all is
 * read. The first verification, which follows the publishing, adds the digests that later ones compare. Throws when that cannot be found out. Both programs run one after the other, at low priority; aborting kills them.
 */
export async function verifyEntry(entry: string, content: boolean, signal: AbortSignal): Promise<string | undefined> {
  if (!(await exists(join(entry, manifestName)))) return 'its manifest is missing';
  const isComplete = await hasDigests(entry);
  const read = content && isComplete;
  const seen = read ? (line: string) => line : (line: string) => line.replace(/ sha256digest=\S+/, '');
  const tree = await compare(readManifest(entry), currentManifest(entry, read, signal), seen);
  const attributes = await compare(readAttributes(entry), currentAttributes(entry, signal), (block) => block);
  const told = [...describe(tree), ...describeAttributes(attributes)];
  if (told.length === 0) {
    if (!isComplete) await addDigests(entry, signal);
    return undefined;
  }
  const more = told.length > mostTold ? `; and ${told.length - mostTold} more` : '';
  return told.slice(0, mostTold).join('; ') + more;
}

interface Difference {
  /** What only the one or the other list has. */
  missing: Set<string>;
  added: Set<string>;
}

/** Takes two lists in step, so that little of them is in memory as long as they are alike. */
async function compare(
  expected: AsyncGenerator<string>,
  actual: AsyncGenerator<string>,
  seen: (item: string) => string,
): Promise<Difference> {
  const missing = new Set<string>();
  const added = new Set<string>();
  try {
    for (let more = true; more;) {
      const [one, other] = [await expected.next(), await actual.next()];
      more = one.done !== true || other.done !== true;
      if (one.done !== true) meet(seen(one.value), added, missing);
      if (other.done !== true) meet(other.value, missing, added);
    }
  } finally {
    await Promise.allSettled([expected.return(undefined), actual.return(undefined)]);
  }
  return { missing, added };
}

function meet(item: string, others: Set<string>, own: Set<string>): void {
  if (!others.delete(item)) own.add(item);
}

function describe({ missing, added }: Difference): string[] {
  const before = byPath(missing);
  const now = byPath(added);
  return [...new Set([...before.keys(), ...now.keys()])].map((path) => {
    const [was, is] = [before.get(path), now.get(path)];
    if (!is) return `${shown(path)} is missing`;
    if (!was) return `${shown(path)} was added`;
    return `${shown(path)} has another ${changed(was, is).join(', ')}`;
  });
}

const byPath = (lines: ReadonlySet<string>) =>
  new Map([...lines].map((line) => [line.split(' ', 1)[0] ?? '', factsOf(line)]));

const factsOf = (line: string) =>
  new Map(line.split(' ').slice(1).map((fact) => [fact.split('=', 1)[0] ?? '', fact.slice(fact.indexOf('=') + 1)])); // prettier-ignore

function changed(was: ReadonlyMap<string, string>, is: ReadonlyMap<string, string>): string[] {
  const names = [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name));
  return names.map((name) => {
    if (name === 'sha256digest') return 'content';
    return `${name} (${is.get(name) ?? 'none'} instead of ${was.get(name) ?? 'none'})`;
  });
}

function describeAttributes({ missing, added }: Difference): string[] {
  const paths = [...missing, ...added].map((block) => block.split('\n', 1)[0]?.replace('# file: ', '') ?? '');
  return [...new Set(paths)].map((path) => `${shown(path)} has other extended attributes`);
}

/** Relative to the entry, in printable characters. */
const shown = (path: string) =>
  path
    .replace(/^\.\//, '')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, longestPath);

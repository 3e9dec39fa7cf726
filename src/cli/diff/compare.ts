import type { InspectedFile, InspectedPackage, InspectionHead } from '../../api/inspection.ts';
import type { Inspection } from './inspection.ts';
import { pairDifferences } from './pairs.ts';
import type { Pair } from './pairs.ts';

/** A package that is not the same in both images; of a package that is there for several architectures, all versions. */
export interface PackageChange {
  name: string;
  before?: string;
  after?: string;
}

/** A file, directory, link or device that is not the same in both images. */
export interface FileChange {
  path: string;
  before?: InspectedFile;
  after?: InspectedFile;
  /** Package that it belongs to. */
  package?: string;
  /** It changed with its package, or is a record that a package manager keeps: the packages tell enough. */
  explained: boolean;
}

export interface Comparison {
  before: InspectionHead;
  after: InspectionHead;
  packages: PackageChange[];
  files: FileChange[];
  /** Files are compared by what is in them; else by size and time. */
  byContents: boolean;
}

/** Finds out how two images differ. */
export async function compareImages(before: Inspection, after: Inspection): Promise<Comparison> {
  const byContents = before.head.contents && after.head.contents;
  const packages = comparePackages(before.packages, after.packages);
  const text = (file: InspectedFile) => JSON.stringify(facts(file, byContents));
  const pairs = await pairDifferences(before.files, after.files, { key: ({ path }) => path, text });
  const changed = new Set(packages.map(({ name }) => name));
  const records = new Set([...before.head.records, ...after.head.records]);
  const files = [...pairs].map(([path, pair]): FileChange => {
    const owner = pair.after?.package ?? pair.before?.package;
    const explained = (owner !== undefined && changed.has(owner)) || [...records].some((it) => isBelow(path, it));
    return { path, ...pair, ...(owner !== undefined && { package: owner }), explained };
  });
  return { before: before.head, after: after.head, packages, files, byContents };
}

/** All that makes a file another one; a time alone does not, as every build sets it again. */
const facts = (
  { kind: _kind, path: _path, package: _package, time, sha256, ...rest }: InspectedFile,
  byContents: boolean,
) => ({
  ...rest,
  content: rest.type !== 'file' ? undefined : byContents ? sha256 : time,
});

const isBelow = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);

function comparePackages(before: readonly InspectedPackage[], after: readonly InspectedPackage[]): PackageChange[] {
  const [was, is] = [versions(before), versions(after)];
  const names = [...new Set([...was.keys(), ...is.keys()])].sort();
  return names
    .map((name) => ({ name, ...sides({ before: was.get(name), after: is.get(name) }) }))
    .filter((one) => one.before !== one.after);
}

function versions(packages: readonly InspectedPackage[]): Map<string, string> {
  const byName = Map.groupBy(packages, ({ name }) => name);
  return new Map(
    [...byName].map(([name, all]) => {
      const several = all.map(({ version, architecture }) => `${version} (${architecture})`).sort();
      return [name, all.length === 1 ? (all[0]?.version ?? '') : several.join(', ')];
    }),
  );
}

const sides = <T>({ before, after }: { before: T | undefined; after: T | undefined }): Pair<T> => ({
  ...(before !== undefined && { before }),
  ...(after !== undefined && { after }),
});

/** What is another about a file that is in both images, such as `mode 0644 -> 0600`. */
export function describeChange({ before, after }: FileChange, byContents: boolean): string[] {
  if (!before || !after) return [];
  const from = (name: string, one: string | number = 'none', other: string | number = 'none') =>
    one === other ? [] : [`${name} ${one} -> ${other}`];
  if (before.type !== after.type) return [`${wordFor(before)} -> ${wordFor(after)}`];
  const [was, is] = [facts(before, byContents), facts(after, byContents)];
  return [
    ...(was.content === is.content ? [] : [byContents ? 'content' : 'time']),
    ...from('size', was.size, is.size),
    ...from('mode', was.mode, is.mode),
    ...from('owner', `${was.uid}:${was.gid}`, `${is.uid}:${is.gid}`),
    ...from('target', was.target, is.target),
    ...from('device', was.device, is.device),
    ...(was.attributes?.join() === is.attributes?.join() ? [] : ['attributes']),
  ];
}

const words = { dir: 'directory', char: 'character device', block: 'block device', fifo: 'pipe' } as const;
/** What a file is, in a word or two. */
export const wordFor = ({ type }: InspectedFile): string => (type in words ? words[type as keyof typeof words] : type);

import type { InspectedFile } from '../../api/inspection.ts';
import { printable, table } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import { describeChange, wordFor } from './compare.ts';
import type { Comparison, FileChange, PackageChange } from './compare.ts';

type Paint = Screen['paint'];

/** Which parts of a comparison are shown. */
export interface Parts {
  packages: boolean;
  /** `unexplained`: only files that do not go with a package that changed. */
  files: 'none' | 'unexplained' | 'all';
}

/** Whether there is any difference in the parts that are shown. */
export const differs = ({ packages, files }: Comparison, parts: Parts): boolean =>
  (parts.packages && packages.length > 0) || (parts.files !== 'none' && files.length > 0);

/** The comparison for a person, line by line. */
export function renderText(comparison: Comparison, parts: Parts, { paint }: Screen): string[] {
  const { before, after, packages, files, byContents } = comparison;
  return [
    paint('bold', `${before.image} -> ${after.image}`),
    ...[before, after].flatMap(({ image, notes }) => notes.map((note) => paint('yellow', `In ${image} ${note}`))),
    ...(byContents
      ? []
      : [
          paint(
            'yellow',
            'Files have no digests of contents yet, so they are compared by size and time: ask again later',
          ),
        ]),
    ...(parts.packages ? ['', ...packageLines(packages, paint)] : []),
    ...(parts.files === 'none' ? [] : ['', ...fileLines(files, parts.files, byContents, paint)]),
  ];
}

function packageLines(packages: readonly PackageChange[], paint: Paint): string[] {
  const rows = packages.map(({ name, before, after }) => {
    const versions = before !== undefined && after !== undefined ? `${before} -> ${after}` : (after ?? before ?? '');
    return [...signed({ before, after }, name, paint), printable(versions)];
  });
  return [`Packages: ${counts(packages)}`, ...table(rows)];
}

function fileLines(files: readonly FileChange[], which: 'unexplained' | 'all', byContents: boolean, paint: Paint) {
  const shown = which === 'all' ? files : files.filter(({ explained }) => !explained);
  const hidden = files.length - shown.length;
  const rows = shown.map((file) => {
    const facts = file.before && file.after ? describeChange(file, byContents) : factsOf(file.after ?? file.before);
    const owner = file.package === undefined ? [] : [`of ${file.package}`];
    return [...signed(file, file.path, paint), printable([...facts, ...owner].join(', '))];
  });
  const rest = hidden === 0 ? '' : `; ${hidden} of them go with the packages and are not shown (--files shows all)`;
  return [`Files: ${counts(files)}${rest}`, ...table(rows)];
}

function factsOf(file: InspectedFile | undefined): string[] {
  if (!file) return [];
  const { mode, uid, gid, size, target, device } = file;
  return [
    `${wordFor(file)} ${mode} ${uid}:${gid}`,
    ...(size === undefined ? [] : [`${size} bytes`]),
    ...(target === undefined ? [] : [`to ${target}`]),
    ...(device === undefined ? [] : [device]),
  ];
}

interface Sides {
  before?: unknown;
  after?: unknown;
}

function signed(sides: Sides, text: string, paint: Paint): string[] {
  const name = printable(text);
  if (sides.before === undefined) return [`  ${paint('green', '+')} ${name}`];
  if (sides.after === undefined) return [`  ${paint('red', '-')} ${name}`];
  return [`  ${paint('yellow', '~')} ${name}`];
}

/** `2 changed, 1 added, 0 removed`, or `no difference`. */
function counts(changes: readonly Sides[]): string {
  if (changes.length === 0) return 'no difference';
  const { changed, added, removed } = count(changes);
  return `${changed} changed, ${added} added, ${removed} removed`;
}

function count(changes: readonly Sides[]): { changed: number; added: number; removed: number } {
  const added = changes.filter(({ before }) => before === undefined).length;
  const removed = changes.filter(({ after }) => after === undefined).length;
  return { changed: changes.length - added - removed, added, removed };
}

/** The comparison for a program. What is absent is absent: an added file has no `before`. */
export function renderJson({ before, after, packages, files, byContents }: Comparison, parts: Parts): object {
  const head = ({ image, digest, notes }: Comparison['before']) => ({ image, digest, notes });
  const side = (file: InspectedFile | undefined) => {
    if (!file) return undefined;
    const { kind: _kind, path: _path, package: _package, ...facts } = file;
    return facts;
  };
  return {
    before: head(before),
    after: head(after),
    ...(parts.packages && { packages: { ...count(packages), changes: packages } }),
    ...(parts.files !== 'none' && {
      files: {
        ...count(files),
        comparedBy: byContents ? 'contents' : 'size and time',
        changes: files.map((file) => ({
          path: file.path,
          package: file.package,
          withPackage: file.explained,
          before: side(file.before),
          after: side(file.after),
        })),
      },
    }),
  };
}

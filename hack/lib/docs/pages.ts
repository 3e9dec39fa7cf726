// The pages of this repository that people read, and what is in them.
import { globSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../../..');

export interface Page {
  /** From the root of the repository. */
  path: string;
  text: string;
}

/** All pages in Markdown, but for those of packages and builds. */
export function pages(): Page[] {
  const skipped = new Set(['node_modules', 'dist', '.git', 'coverage']);
  const below = (directory: string): string[] =>
    readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : below(path);
      return entry.isFile() && entry.name.endsWith('.md') ? [path] : [];
    });
  return below('.').map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

export interface Block {
  page: string;
  /** Of the first line of the block. */
  line: number;
  language: string;
  text: string;
}

/** The fenced blocks of a page. */
export function blocks({ path, text }: Page): Block[] {
  return [...text.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm)].map(
    ({ index, 1: indent = '', 2: language = '', 3: body = '' }) => ({
      page: path,
      line: text.slice(0, index).split('\n').length + 1,
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

/** The indented blocks of a page that are manifests. */
export function indentedManifests({ path, text }: Page): Block[] {
  return [...text.matchAll(/^ {4}apiVersion: .*\n(?: {4}.*\n|\n(?= {4}))*/gm)].map(({ index, 0: body }) => ({
    page: path,
    line: text.slice(0, index).split('\n').length,
    language: 'yaml',
    text: body.replaceAll(/^ {4}/gm, ''),
  }));
}

/** The manifests of these folders, each file as one block. */
export function manifestFiles(...folders: string[]): Block[] {
  return folders
    .flatMap((folder) => globSync(`${folder}/**/*.yaml`, { cwd: root }))
    .sort()
    .map((page) => ({ page, line: 1, language: 'yaml', text: readFileSync(join(root, page), 'utf8') }));
}

/** The page without its blocks of code, in which nothing is a link. */
export const prose = (text: string): string =>
  text
    .replaceAll(/^( *)```[^]*?^\1```$/gm, '')
    .replaceAll(/^ {4,}\S.*$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');

/** The anchors of a page, as GitHub makes them of headings; the second of a name has -1 after it. */
export function anchors(text: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').matchAll(/^#{1,6} +(.*?) *$/gm);
  const slugs = [...headings].map(([, heading = '']) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
  return new Set(slugs);
}

export interface Shown {
  where: string;
  line: string;
  /** In the middle of a sentence, where a command may be named without its arguments. */
  inline: boolean;
}

/** What the pages have in code, line by line: blocks, indented lines, and words in backticks. A line that ends with `\\` goes on. */
export const shownLines = (all: readonly Page[]): Shown[] =>
  all
    .filter(({ path }) => path !== 'CHANGELOG.md' && !path.startsWith('docs/adr/'))
    .flatMap(({ path, text }) => {
      let fenced = false;
      return text
        .replaceAll(/\\\n\s*/g, ' ')
        .split('\n')
        .flatMap((line, index): Shown[] => {
          const where = `${path}:${index + 1}`;
          if (/^ *```/.test(line)) fenced = !fenced;
          if (fenced || /^ {4}/.test(line)) return [{ where, line: line.trim().replace(/^\$ /, ''), inline: false }];
          return [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => ({ where, line: code, inline: true }));
        });
    });

/** The words of the first command of a line, without what the shell would do with them. */
export function words(line: string): string[] {
  const [command = ''] = line.split(/ (?:\||>|&&|2>|#)|  +#|; /);
  return [...command.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
}

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { anchors, pages, prose, root } from './pages.ts';

/** Links of a page that lead nowhere in this repository. */
function deadLinks(path: string, text: string): string[] {
  const targets = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.flatMap((target) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = '', anchor] = target.split('#');
    const to = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(root, to))) return [`${path}: ${target} is no file`];
    if (anchor === undefined || !to.endsWith('.md')) return [];
    const known = anchors(readFileSync(join(root, to), 'utf8'));
    return known.has(anchor) ? [] : [`${path}: ${target}: there is no such heading`];
  });
}

test('every link leads to a file and a heading that are there', () => {
  const all = pages();
  expect(all.length).toBeGreaterThan(30);
  expect(all.flatMap(({ path, text }) => deadLinks(path, text))).toEqual([]);
});

test('a link to nothing is found', () => {
  expect(
    deadLinks('README.md', '[a](docs/none.md) [b](#none) [c](docs/cli.md#none) `[d](none)`\n\n    [e](none)\n'),
  ).toEqual([
    'README.md: docs/none.md is no file',
    'README.md: #none: there is no such heading',
    'README.md: docs/cli.md#none: there is no such heading',
  ]);
});

test('every page of docs can be found from the README', () => {
  const all = new Map(pages().map(({ path, text }) => [path, text]));
  const found = new Set(['README.md']);
  for (const path of found) {
    for (const [, target = ''] of (all.get(path) ?? '').matchAll(/\]\(([^)\s#]+)/g)) {
      const to = normalize(join(dirname(path), target)).replace(/\/$/, '');
      if (all.has(to)) found.add(to);
      // A link to a folder leads to all of its pages.
      for (const other of all.keys()) if (dirname(other) === to) found.add(other);
    }
  }
  expect([...all.keys()].filter((path) => path.startsWith('docs/') && !found.has(path))).toEqual([]);
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commands } from '../../../src/cli/commands.ts';
import { parseCommandLine } from '../../../src/cli/parse.ts';
import { pages, root, shownLines, words } from './pages.ts';

// The commands that the pages show are ones that there are.

const shown = shownLines(pages());

test('every command of the plugin that a page shows is one that it takes', () => {
  const lines = shown.filter(({ line }) => /^kubectl monoroot [a-z]/.test(line) && !line.includes('…'));
  expect(lines.length).toBeGreaterThan(30);
  const wrong = lines.flatMap(({ where, line, inline }) => {
    try {
      parseCommandLine(words(line).slice(2), commands);
      return [];
    } catch (error) {
      return inline && String(error).includes('and got none') ? [] : [`${where}: ${line}: ${String(error)}`];
    }
  });
  expect(wrong).toEqual([]);
});

test('every program of hack/ and every script of npm that a page shows is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const programs = shown.flatMap(({ where, line }) =>
    [...line.matchAll(/(?:^|[ ;|])(hack\/[\w./-]+)/g)].map(([, program = '']) => ({ where, program })),
  );
  expect(programs.length).toBeGreaterThan(20);
  expect(programs.filter(({ program }) => !existsSync(join(root, program.replace(/\.$/, ''))))).toEqual([]);
  const ran = shown.flatMap(({ where, line }) =>
    [...line.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => ({ where, script })),
  );
  expect(ran.filter(({ script }) => scripts[script] === undefined)).toEqual([]);
});

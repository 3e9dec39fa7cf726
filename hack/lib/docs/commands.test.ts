import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commands } from '../../../src/cli/commands.ts';
import { parseCommandLine } from '../../../src/cli/parse.ts';
import { pages, root } from './pages.ts';

// The commands that the pages show are ones that there are.

interface Shown {
  where: string;
  line: string;
  /** In the middle of a sentence, where a command may be named without its arguments. */
  inline: boolean;
}

/** What the pages have in code, line by line: blocks, indented lines, and words in backticks. A line that ends with `\` goes on. */
const shown: Shown[] = pages()
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
function words(line: string): string[] {
  const [command = ''] = line.split(/ (?:\||>|&&|2>|#)|  +#|; /);
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
}

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

// Makes docs/commands.md from the help of the plugin's commands.
import { commands } from '../../src/cli/commands.ts';
import { globalOptions } from '../../src/cli/command.ts';
import { optionRows, programName, usage } from '../../src/cli/help.ts';
import type { Command, Options } from '../../src/cli/command.ts';

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
const plain = (text: string) => text.replaceAll('<', '&lt;').replaceAll('*', '\\*');

const optionTable = (options: Options): string[] => [
  '| option | meaning |',
  '| --- | --- |',
  ...optionRows(options).map(([spelling, help]) => `| \`${spelling.trim()}\` | ${cell(help)} |`),
];

function section(command: Command): string[] {
  const { name, summary, description, examples = [], options = {} } = command;
  return [
    `## ${name.join(' ')}`,
    '',
    `${plain(summary)}.`,
    '',
    `    ${programName} ${usage(command)}`,
    '',
    ...(description === undefined ? [] : [plain(description), '']),
    ...(Object.keys(options).length === 0 ? [] : [...optionTable(options), '']),
    ...(examples.length === 0 ? [] : ['Examples:', '', ...examples.map((it) => `    ${it}`), '']),
  ];
}

/** The whole page. */
export function commandsPage(): string {
  return [
    '<!-- Generated from src/cli by "npm run generate". Do not edit. -->',
    '',
    '# Commands of kubectl monoroot',
    '',
    'What each prints, and which rights it takes, is in [kubectl monoroot](cli.md).',
    '',
    '## Options of all commands',
    '',
    ...optionTable(globalOptions),
    '',
    ...commands.flatMap(section),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

import { globalOptions } from './command.ts';
import type { Command, Option, Options } from './command.ts';
import { table } from './terminal.ts';

/** What users type before the name of a command. */
export const programName = 'kubectl monoroot';

/** The list of all commands. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => [`  ${usage(command)}`, command.summary]);
  return [
    `Usage: ${programName} COMMAND [OPTIONS]`,
    '',
    'What is awkward with plain kubectl.',
    '',
    'Commands:',
    ...table(rows),
    '',
    `${programName} COMMAND --help tells more about one. Exit codes: 0 done; 1 the answer is no; 2 failed.`,
  ].join('\n');
}

/** Everything about one command. */
export function helpOf(command: Command): string {
  const paragraphs = [
    `${command.summary}.`,
    `Usage: ${programName} ${usage(command)} [OPTIONS]`,
    ...(command.description === undefined ? [] : [command.description]),
    ...(command.examples === undefined ? [] : [['Examples:', ...command.examples.map((it) => `  ${it}`)].join('\n')]),
    ['Options:', ...optionLines({ ...command.options, ...globalOptions })].join('\n'),
  ];
  return paragraphs.join('\n\n');
}

const usage = ({ name, positionals = [] }: Command) => [...name, ...positionals].join(' ');

const optionLines = (options: Options) =>
  table(Object.entries(options).map(([name, option]) => [`  ${spelling(name, option)}`, option.help]));

const spelling = (name: string, { short, value }: Option) =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

import { Help } from 'commander';
import { globalOptions } from './command.ts';
import type { Command, Option, Options } from './command.ts';

/** What users type before the name of a command. */
export const programName = 'kubectl monoroot';

const widest = 110;
/** Narrower text is not wrapped. */
const narrowest = 20;
const wrap = (text: string, width: number) => Object.assign(new Help(), { minWidthToWrap: narrowest }).boxWrap(text, width); // prettier-ignore

/** Help of one command, or of all that begin with these words, in lines of at most `columns` characters. */
export function helpFor(words: readonly string[], commands: readonly Command[], columns = 80): string {
  const width = Math.max(40, Math.min(columns, widest));
  const named = commands.filter(({ name }) => words.every((word, i) => name[i] === word));
  const [only] = named;
  const isWhole = only !== undefined && named.length === 1 && only.name.length === words.length;
  return isWhole ? helpOf(only, width) : overview(named, width);
}

/** The list of commands. */
function overview(commands: readonly Command[], width: number): string {
  const rows = commands.filter(({ hidden }) => hidden !== true).map((it): [string, string] => [usage(it), it.summary]);
  return [
    `Usage: ${programName} COMMAND [OPTIONS]`,
    '',
    wrap('Inspect and control Monoroot images, rollouts and containers.', width),
    '',
    'Commands:',
    ...columnsOf(rows, width),
    '',
    'Options of all commands, before or after its name:',
    ...columnsOf(optionRows(globalOptions), width),
    '',
    wrap(
      `${programName} COMMAND --help tells more about one. Exit codes: 0 done; 1 the answer is no; 2 failed.`,
      width,
    ),
  ].join('\n');
}

/** Everything about one command. */
function helpOf(command: Command, width: number): string {
  const { summary, description, examples, options = {} } = command;
  const own = optionRows(options);
  const common = optionRows(Object.fromEntries(Object.entries(globalOptions).filter(([name]) => !(name in options))));
  const section = (title: string, lines: readonly string[]) => [`${title}:`, ...lines].join('\n');
  return [
    `${summary}.`,
    `Usage: ${programName} ${usage(command)} [OPTIONS]`,
    ...(description === undefined ? [] : [wrap(description.replaceAll(/([^\n])\n([^\n])/g, '$1 $2'), width)]),
    ...(examples === undefined
      ? []
      : [
          section(
            'Examples',
            examples.map((it) => `  ${it}`),
          ),
        ]),
    ...(own.length === 0 ? [] : [section('Options', columnsOf(own, width))]),
    section('Options of all commands', columnsOf(common, width)),
  ].join('\n\n');
}

export const usage = ({ name, positionals = [] }: Command): string => [...name, ...positionals].join(' ');

/** Two columns, of which the second is wrapped; a name that is too long has a line of its own. */
function columnsOf(rows: readonly (readonly [string, string])[], width: number): string[] {
  const first = Math.min(38, Math.max(16, width - 42), Math.max(0, ...rows.map(([name]) => name.length)) + 2);
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, Math.max(narrowest, width - first - 2)).split('\n');
    const isLong = name.length > first - 2;
    const texts = lines.map((line, i) => `  ${(i === 0 && !isLong ? name : '').padEnd(first)}${line}`);
    return isLong ? [`  ${name}`, ...texts] : texts;
  });
}

export const optionRows = (options: Options): [string, string][] =>
  Object.entries(options).map(([name, option]) => [spelling(name, option), option.help]);

const spelling = (name: string, { short, value }: Option) =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

import { Command as Parser, CommanderError, Option as ParserOption } from 'commander';
import { UsageError, globalOptions, outputOption, watchOption } from './command.ts';
import type { Command, Given, Option, Options } from './command.ts';
import { programName } from './help.ts';

/** What was typed, read. */
export type Parsed =
  | { command: Command; given: Given<Options> }
  /** Help of one command, or of all that begin with these words. */
  | { help: readonly string[] }
  | { version: true };

/** What may stand before the name of a command. */
const early: Options = { ...globalOptions, ...outputOption, ...watchOption };

/** Reads a command line. Throws a UsageError with what is wrong and where to read more. */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): Parsed {
  const { words, before, rest } = split(argv, commands);
  const command = commands.find(({ name }) => name.length === words.length && name.every((it, i) => words[i] === it));
  if (!command) return withoutCommand(argv, words, rest, commands);
  if (helpAsked([...before, ...rest])) return { help: command.name };
  return { command, given: parseLeaf(command, [...before, ...rest]) };
}

const helpAsked = (args: readonly string[]) => {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '-h' || arg === '--help');
};

/** The words that name the command, the options before or between them, and what comes after. */
export function split(argv: readonly string[], commands: readonly Command[]) {
  const [words, before]: [string[], string[]] = [[], []];
  let at = 0;
  if (argv[0] === 'help') at = 1;
  const begins = (names: string[]) => commands.some(({ name }) => names.every((it, i) => name[i] === it));
  for (; at < argv.length; at++) {
    const arg = argv[at] ?? '';
    if (arg.startsWith('-') && arg !== '--') {
      before.push(arg);
      if (takesNext(arg) && at + 1 < argv.length) before.push(argv[++at] ?? '');
    } else if (begins([...words, arg])) words.push(arg);
    else break;
    if (isWhole(words, commands)) {
      at++;
      break;
    }
  }
  const asked = argv[0] === 'help' ? ['--help'] : [];
  return { words, before, rest: [...argv.slice(at), ...asked] };
}

/** No longer name begins with these words. */
const isWhole = (words: readonly string[], commands: readonly Command[]) =>
  words.length > 0 &&
  commands.some(({ name }) => name.length === words.length && name.every((it, i) => words[i] === it)) &&
  !commands.some(({ name }) => name.length > words.length && words.every((it, i) => name[i] === it));

/** Whether an option that stands before the command has its value in the next word. */
function takesNext(arg: string): boolean {
  if (arg.includes('=')) return false;
  const option = Object.entries(early).find(([name, { short }]) => arg === `--${name}` || arg === `-${short ?? ' '}`);
  return option?.[1].type === 'string';
}

function withoutCommand(
  argv: readonly string[],
  words: readonly string[],
  rest: readonly string[],
  commands: readonly Command[],
): Parsed {
  const [wrong] = rest.filter((arg) => !arg.startsWith('-'));
  if (argv.includes('--version') && words.length === 0) return { version: true };
  if (wrong === undefined) {
    const unknown = argv.find((arg) => arg.startsWith('-') && !isKnown(arg));
    if (words.length === 0 && unknown !== undefined) {
      throw new UsageError(`Unknown option '${unknown}' before a command. See ${programName} --help`);
    }
    return { help: words };
  }
  const typed = [...words, ...rest.filter((arg) => !arg.startsWith('-'))].slice(0, 2).join(' ');
  throw new UsageError(`There is no command ${typed}${suggestion(words, wrong, commands)} See ${programName} --help`);
}

const isKnown = (arg: string) =>
  Object.entries(early).some(
    ([name, { short }]) => arg === `--${name}` || arg.startsWith(`--${name}=`) || arg.startsWith(`-${short ?? ' '}`),
  );

/** `; did you mean fleet?`, as commander finds it. */
function suggestion(words: readonly string[], wrong: string, commands: readonly Command[]): string {
  const parser = quiet(new Parser('monoroot'));
  const next = commands
    .filter(({ name }) => words.every((it, i) => name[i] === it))
    .map(({ name }) => name[words.length]);
  for (const name of new Set(next)) if (name !== undefined) parser.command(name);
  const found = suggestionOf(attempt(() => parser.parse([wrong], { from: 'user' })));
  return found === undefined ? '.' : `; did you mean ${[...words, found].join(' ')}?`;
}

const suggestionOf = (error: CommanderError | undefined) =>
  /Did you mean (?:one of )?([^?]+)\?/.exec(error?.message ?? '')?.[1]?.replaceAll(', ', ' or ');

function parseLeaf(command: Command, args: readonly string[]): Given<Options> {
  const parser = quiet(new Parser(command.name.join(' '))).allowExcessArguments();
  const options: Options = { ...globalOptions, ...command.options };
  const known = Object.entries(options).map(([name, option]) => [name, parserOption(name, option)] as const);
  for (const [, option] of known) parser.addOption(option);
  parser.argument('[words...]');
  const error = attempt(() => parser.parse([...args], { from: 'user' }));
  if (error) throw wrong(command, complaint(error));
  const read = parser.opts<Record<string, string | boolean | string[] | undefined>>();
  const entries = known.flatMap(([name, option]) => {
    const value = read[option.attributeName()];
    return value === undefined ? [] : [[name, value] as const];
  });
  const values = Object.fromEntries(entries) as Given<Options>['values'];
  const given = { values, positionals: parser.args };
  checkCount(command, given.positionals);
  checkChoices(command, options, Object.fromEntries(entries));
  return given;
}

function parserOption(name: string, { type, short, multiple, value, help }: Option): ParserOption {
  const flags = `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` <${value ?? 'VALUE'}>` : ''}`;
  const option = new ParserOption(flags, help);
  return multiple === true
    ? option.argParser<string[]>((one, before) => [...(Array.isArray(before) ? before : []), one])
    : option;
}

/** Nothing is written, and no process is ended: what is wrong is thrown. */
const quiet = (parser: Parser) =>
  parser
    .exitOverride()
    .helpOption(false)
    .helpCommand(false)
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined });

function attempt(parse: () => unknown): CommanderError | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error;
    throw error;
  }
}

/** `Unknown option '--al'; did you mean --all?`: one line that begins with a capital. */
function complaint(error: CommanderError): string {
  const [line = ''] = error.message.split('\n');
  const said = line.replace(/^error: /, '');
  const found = suggestionOf(error);
  return `${said.slice(0, 1).toUpperCase()}${said.slice(1)}${found === undefined ? '' : `; did you mean ${found}?`}`;
}

function checkCount(command: Command, positionals: readonly string[]): void {
  const names = command.positionals ?? [];
  const least = names.filter((name) => !name.startsWith('[')).length;
  const most = names.at(-1)?.includes('...') === true ? Infinity : names.length;
  if (positionals.length >= least && positionals.length <= most) return;
  const asked = names.length === 0 ? 'no argument' : names.join(' ');
  throw wrong(command, `It takes ${asked}, and got ${positionals.length === 0 ? 'none' : positionals.join(' ')}`);
}

function checkChoices(command: Command, options: Options, values: Record<string, unknown>): void {
  for (const [name, { choices }] of Object.entries(options)) {
    const value = values[name];
    if (!choices || typeof value !== 'string' || choices.includes(value)) continue;
    throw wrong(command, `--${name} takes ${choices.join(' or ')}, and got ${value}`);
  }
}

const wrong = (command: Command, problem: string) =>
  new UsageError(`${problem}${problem.endsWith('?') ? '' : '.'} See ${programName} ${command.name.join(' ')} --help`);

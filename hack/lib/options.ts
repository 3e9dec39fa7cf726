import process from 'node:process';
import { parseArgs } from 'node:util';
import type { ParseArgsOptionsConfig } from 'node:util';

/** A program of hack/, for its help. */
export interface About {
  /** As it is called, such as hack/attack. */
  name: string;
  /** What it does, in a sentence or two. */
  does: string;
}

type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O & { help: { type: 'boolean' } } }>
>['values'];

/**
 * The options that a program of hack/ was called with. `--help` prints what it does, and what it takes, and ends it; arguments that it does
 * not know end it with one line that says so, and 2.
 */
export function readOptions<const O extends ParseArgsOptionsConfig>(about: About, options: O): Values<O> {
  try {
    const config: ParseArgsOptionsConfig = { ...options, help: { type: 'boolean', short: 'h' } };
    const { values } = parseArgs({ options: config });
    if (values['help'] !== true) return values as Values<O>;
    process.stdout.write(usageOf(about, options));
    process.exit(0);
  } catch (error) {
    return wrongArguments(about, error instanceof Error ? error.message : String(error));
  }
}

/** Ends the program: it was called with arguments that it cannot work with. */
export function wrongArguments({ name }: About, message: string): never {
  process.stderr.write(`${name}: ${message}; see ${name} --help\n`);
  process.exit(2);
}

/** A number, such as the value of an option. */
export function numberOf(about: About, option: string, text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) {
    wrongArguments(about, `--${option} is '${text}' and must be a number`);
  }
  return number;
}

function usageOf({ name, does }: About, options: ParseArgsOptionsConfig): string {
  const lines = Object.entries(options).map(([option, { type, default: otherwise }]) => {
    const value = type === 'boolean' ? '' : ' VALUE';
    const unset = otherwise === undefined || otherwise === false ? '' : `   (default: ${String(otherwise) || 'none'})`;
    return `  --${option}${value}${unset}\n`;
  });
  return `${does}\n\nUsage: ${name} [OPTION ...]\n\n${lines.join('')}  --help\n`;
}

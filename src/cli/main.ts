import { parseArgs } from 'node:util';
import { ApiError } from '../runtime/errors.ts';
import { CommandError, UsageError, exitCodes, globalOptions } from './command.ts';
import type { Command, Context, ExitCode } from './command.ts';
import { openCluster } from './cluster.ts';
import type { Cluster, Target } from './cluster.ts';
import { helpOf, overview, programName } from './help.ts';
import type { Host } from './host.ts';
import { createScreen, printableLines } from './terminal.ts';

/** Carries out what was typed after `kubectl monoroot` and gives the code to exit with. It never throws. */
export async function runCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
  host: Host,
): Promise<ExitCode> {
  const out = createScreen(host.stdout);
  const err = createScreen(host.stderr);
  const clusters: Cluster[] = [];
  const open = (target: Target) => {
    const cluster = clusters[0] ?? openCluster(target, host.version);
    clusters[0] = cluster;
    return cluster;
  };
  try {
    return await dispatch(argv, commands, { ...host, out, err }, open);
  } catch (error) {
    err.line(host.signal.aborted ? 'Interrupted' : `${err.paint('red', 'Error:')} ${printableLines(explain(error))}`);
    return exitCodes.failed;
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

async function dispatch(
  argv: readonly string[],
  commands: readonly Command[],
  context: Omit<Context, 'cluster'>,
  open: (target: Target) => Cluster,
): Promise<ExitCode> {
  const command = find(argv, commands);
  if (!command) return withoutCommand(argv, commands, context);
  const given = parse(command, argv.slice(command.name.length));
  if (given.values.help === true) {
    context.out.line(helpOf(command));
    return exitCodes.done;
  }
  check(command, given);
  const { kubeconfig, context: kubeContext } = given.values;
  const target = { kubeconfig, context: kubeContext } as Target;
  return command.run({ ...context, cluster: () => open(target) }, given);
}

/** What is typed when one does not know the commands, or only half. */
function withoutCommand(
  argv: readonly string[],
  commands: readonly Command[],
  { out, version }: Pick<Context, 'out' | 'version'>,
): ExitCode {
  const words = argv.filter((word) => !word.startsWith('-') && word !== 'help');
  const group = commands.filter(({ name }) => name[0] === words[0]);
  if (argv.includes('--version')) out.line(version);
  else if (words.length === 0) out.line(overview(commands));
  else if (group.length > 0 && words.length === 1) out.line(overview(group));
  else throw new UsageError(`There is no command ${words.slice(0, 2).join(' ')}. See ${programName} --help`);
  return exitCodes.done;
}

const find = (argv: readonly string[], commands: readonly Command[]) =>
  commands.find(({ name }) => name.every((word, i) => argv[i] === word));

function parse(command: Command, args: string[]) {
  try {
    return parseArgs({ args, options: { ...command.options, ...globalOptions }, allowPositionals: true });
  } catch (error) {
    throw wrong(command, error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error));
  }
}

function check(command: Command, { values, positionals }: ReturnType<typeof parse>): void {
  const names = command.positionals ?? [];
  if (positionals.length !== names.length) {
    const asked = names.length === 0 ? 'no argument' : names.join(' ');
    throw wrong(command, `It takes ${asked}, and got ${positionals.length === 0 ? 'none' : positionals.join(' ')}`);
  }
  for (const [name, { choices }] of Object.entries(command.options ?? {})) {
    const value = (values as Partial<Record<string, string | boolean>>)[name];
    if (!choices || typeof value !== 'string' || choices.includes(value)) continue;
    throw wrong(command, `--${name} takes ${choices.join(' or ')}, and got ${value}`);
  }
}

const wrong = (command: Command, problem: string) =>
  new UsageError(`${problem}. See ${programName} ${command.name.join(' ')} --help`);

/** One line that says what happened; the stack of what no one foresaw. */
function explain(error: unknown): string {
  if (error instanceof UsageError || error instanceof CommandError) return error.message;
  if (error instanceof ApiError) return `The API server refused it: ${error.message} (${error.reason})`;
  if (error instanceof Error && 'code' in error && 'path' in error) return error.message;
  if (error instanceof Error && 'code' in error) {
    return `${error.message || String(error.code)}; is this the right cluster, and does it answer? See --kubeconfig and --context`;
  }
  return error instanceof Error ? error.message : String(error);
}

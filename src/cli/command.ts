import type { parseArgs } from 'node:util';
import type { Completable } from './names.ts';
import type { Host } from './host.ts';
import type { Screen } from './terminal.ts';
import type { Cluster } from './cluster.ts';

/** What a command ends with. As with diff(1) and grep(1), a question that is answered with no is not a failure. */
export const exitCodes = {
  done: 0,
  /** It was carried out, and the answer is no: there are differences, or the rollout halted. */
  no: 1,
  /** It could not be carried out: wrong usage, no such object, no answer. */
  failed: 2,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** One option, in the shape that parseArgs of node:util takes, with what its help says. */
export interface Option {
  type: 'string' | 'boolean';
  short?: string;
  multiple?: boolean;
  /** Of a string: what stands for its value in the help, such as `FILE`. */
  value?: string;
  /** The only values that it takes. */
  choices?: readonly string[];
  help: string;
}
export type Options = Readonly<Record<string, Option>>;

/** What was typed after the name of a command. */
export interface Given<O extends Options> {
  values: ReturnType<typeof parseArgs<{ options: O & typeof globalOptions; allowPositionals: true }>>['values'];
  /** As many as the command has names for. */
  positionals: string[];
}

/** What a command works with besides its arguments; a test gives its own. */
export interface Context extends Host {
  /** Where the answer goes: what another program may read. */
  out: Screen;
  /** Where progress and warnings go. */
  err: Screen;
  /** The cluster that the kubeconfig names; it is connected to when this is called first. */
  cluster: () => Cluster;
  /** All commands: what help and completion tell of. */
  commands: readonly Command[];
}

export interface Command<O extends Options = Options> {
  /** Words after `kubectl monoroot`, such as `['rollout', 'pause']`. */
  name: readonly string[];
  /** It is for programs, and in no list. */
  hidden?: boolean;
  /** One line for the list of commands, without a full stop. */
  summary: string;
  /**
   * Names of its arguments. One in brackets may be missing; one with dots behind it may be there several times. Both are only for
   * the last one.
   */
  positionals?: readonly string[];
  /** Whose names the shell offers, for each argument; none for one that is not listed. */
  completes?: readonly (readonly Completable[])[];
  options?: O;
  /** Paragraphs for its own help. */
  description?: string;
  examples?: readonly string[];
  run: (context: Context, given: Given<O>) => Promise<ExitCode>;
}

/** What every command takes, before and after its name, as kubectl spells it. */
export const globalOptions = {
  namespace: { type: 'string', short: 'n', value: 'NAME', help: 'namespace; that of the context by default' },
  'all-namespaces': { type: 'boolean', short: 'A', help: 'all namespaces' },
  kubeconfig: { type: 'string', value: 'FILE', help: 'kubeconfig file; $KUBECONFIG or ~/.kube/config by default' },
  context: { type: 'string', value: 'NAME', help: 'context of the kubeconfig; the current one by default' },
  cluster: { type: 'string', value: 'NAME', help: 'cluster of the kubeconfig; that of the context by default' },
  user: { type: 'string', value: 'NAME', help: 'user of the kubeconfig; that of the context by default' },
  as: { type: 'string', value: 'USER', help: 'act as another user (impersonation)' },
  'request-timeout': {
    type: 'string',
    value: 'TIME',
    help: 'longest time for one answer of the API server, such as 5s or 1m; 15s by default',
  },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
} as const satisfies Options;

/** For commands whose answer a program may want. */
export const outputOption = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: ['text', 'json'],
    help: 'text (default) or json',
  },
} as const satisfies Options;

/** For commands that answer with objects: a table, the objects whole, or their names. */
export const objectOutput = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: ['text', 'wide', 'json', 'yaml', 'name'],
    help: 'text (default), wide, json, yaml or name',
  },
} as const satisfies Options;

/** For commands that answer with a text about something. */
export const reportOutput = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: ['text', 'json', 'yaml'],
    help: 'text (default), json or yaml',
  },
} as const satisfies Options;

/** For commands that can be watched. */
export const watchOption = {
  watch: { type: 'boolean', short: 'w', help: 'show it again at each change, until Ctrl-C' },
} as const satisfies Options;

/** Checks the types of a command and forgets those of its options, so that commands of all kinds fit into one list. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command;
}

/** The command was typed wrongly; the message says what is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It could not be carried out, for a reason that the user can understand: shown as it is, without a stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

import { globalOptions, outputOption, watchOption } from '../command.ts';
import type { Command, Option, Options } from '../command.ts';
import type { Cluster, Target } from '../cluster.ts';
import type { Completable } from '../names.ts';
import { namesOf } from './lookup.ts';

/** What programs call instead of a command, as programs made with cobra have it and kubectl expects it. */
export const completeWord = '__complete';

/** Directives of cobra, added up: no blank behind the word, no names of files. */
const [noSpace, noFiles] = [2, 4];
const earlyOptions: Options = { ...globalOptions, ...outputOption, ...watchOption };

interface Answer {
  values: readonly (readonly [string, string])[];
  directive: number;
}

/**
 * What may stand in the place of the last word, one `word<tab>description` a line, and a directive in the last line. Names of objects
 * are asked of the API server; a server that does not answer gives none.
 */
export async function complete(
  words: readonly string[],
  commands: readonly Command[],
  open: (target: Target) => Cluster,
): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const { values, directive } = await answer(words.slice(0, -1), current, commands, open);
  const fitting = values.filter(([value]) => value.startsWith(current));
  return [...fitting.map(([value, text]) => (text === '' ? value : `${value}\t${text}`)), `:${directive}`];
}

async function answer(
  before: readonly string[],
  current: string,
  commands: readonly Command[],
  open: (target: Target) => Cluster,
): Promise<Answer> {
  const { command, words, values, positionals, pending } = read(before, commands);
  const options: Options = command ? { ...command.options, ...globalOptions } : earlyOptions;
  const lookup: Lookup = (kinds) => namesOf(kinds, current, () => open(targetOf(values)));
  if (pending !== undefined) return valueOf(pending, options[pending], lookup);
  if (current.startsWith('-')) {
    return { values: Object.entries(options).map(([name, { help }]) => [`--${name}`, help]), directive: noFiles };
  }
  return command
    ? argumentOf(command, positionals, lookup)
    : { values: nextWords(words, commands), directive: noFiles };
}

type Lookup = (kinds: readonly Completable[]) => Promise<[string, string][]>;

async function valueOf(name: string, option: Option | undefined, lookup: Lookup): Promise<Answer> {
  if (option?.choices) return { values: option.choices.map((it) => [it, '']), directive: noFiles };
  if (name === 'namespace') return { values: await lookup(['Namespace']), directive: noFiles };
  return { values: [], directive: option?.value === 'FILE' || option?.value === 'DIR' ? 0 : noFiles };
}

async function argumentOf(command: Command, index: number, lookup: Lookup): Promise<Answer> {
  const { completes = [], positionals = [] } = command;
  const isOpen = index < positionals.length || positionals.at(-1)?.includes('...') === true;
  const kinds = (isOpen ? (completes[index] ?? completes.at(-1)) : undefined) ?? [];
  if (kinds.includes('File')) return { values: [], directive: 0 };
  const values = kinds.length === 0 ? [] : await lookup(kinds);
  return { values, directive: values.some(([it]) => it.endsWith('/')) ? noFiles + noSpace : noFiles };
}

/** Reads what is typed so far, as far as it goes: a wrong word is no reason to say nothing. */
function read(before: readonly string[], commands: readonly Command[]) {
  const words: string[] = [];
  const values: Record<string, string> = {};
  let command: Command | undefined;
  let positionals = 0;
  let pending: string | undefined;
  for (const word of before) {
    const options: Options = command ? { ...command.options, ...globalOptions } : earlyOptions;
    if (pending !== undefined) {
      values[pending] = word;
      pending = undefined;
    } else if (word.startsWith('-')) {
      const [text = '', value] = word.split('=', 2);
      const [name, option] =
        Object.entries(options).find(([it, { short }]) => text === `--${it}` || text === `-${short ?? ' '}`) ?? [];
      if (name !== undefined && value !== undefined) values[name] = value;
      else if (option?.type === 'string') pending = name;
    } else if (command) positionals += 1;
    else {
      words.push(word);
      command = commands.find(({ name }) => name.length === words.length && name.every((it, i) => words[i] === it));
    }
  }
  return { command, words, values, positionals, pending };
}

function nextWords(words: readonly string[], commands: readonly Command[]): [string, string][] {
  const next = new Map<string, string>();
  for (const { name, summary, hidden } of commands) {
    if (hidden === true || !words.every((word, i) => name[i] === word)) continue;
    const word = name[words.length];
    if (word !== undefined) next.set(word, name.length === words.length + 1 ? summary : '');
  }
  return [...next];
}

const targetOf = (values: Readonly<Record<string, string>>): Target => ({
  kubeconfig: values['kubeconfig'],
  context: values['context'],
  cluster: values['cluster'],
  user: values['user'],
  as: values['as'],
  namespace: values['namespace'],
  requestSeconds: 3,
});

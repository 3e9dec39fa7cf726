import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import process from 'node:process';
import { CommandError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Context } from '../command.ts';
import { documentsOf } from '../lint/documents.ts';
import type { Document } from '../lint/documents.ts';
import { lint as findingsIn, oursIn } from '../lint/lint.ts';
import type { LintFinding } from '../lint/lint.ts';
import { serverFindings } from '../lint/server.ts';
import { isStructured, structured } from '../output.ts';
import { readScene } from '../scene/scene.ts';
import { printable } from '../terminal.ts';

/** Whether manifests make sense, before anybody applies them. */
export const lint = defineCommand({
  name: ['lint'],
  summary: 'Check manifests of Monoroot, without a cluster or against one',
  positionals: ['FILE...'],
  completes: [['File']],
  options: {
    live: {
      type: 'boolean',
      help: 'ask the API server, too: it applies each object without storing it, with the admission policies in force',
    },
    strict: { type: 'boolean', help: 'warnings, too, give exit code 1' },
    ...reportOutput,
  },
  description: `Types, bounds, patterns, unknown fields and the rules in CEL, as the definitions of the kinds have them; names across the objects of all files; schedules and
time zones of windows; overlays against memory limits. FILE is YAML or JSON, with any objects; - is the standard input. Objects of other kinds are left
alone. What only a cluster knows takes --live: admission policies, what is there already, images that no file has. The exit code is 0 when there is no error, 1
when there is one, 2 when a file could not be read or the cluster did not answer.`,
  examples: [
    'kubectl monoroot lint deploy/*.yaml',
    'kubectl kustomize overlay | kubectl monoroot lint -',
    'kubectl monoroot lint --live deploy/*.yaml',
  ],
  async run(context, { values, positionals }) {
    const { out } = context;
    const documents = (await Promise.all(positionals.map(async (file) => documentsOf(file, await read(file))))).flat();
    const findings = values.live === true ? await findingsLive(context, documents) : findingsIn(documents);
    if (isStructured(values.output)) out.line(structured(values.output, findings));
    else {
      for (const { file, line, severity, id, object, message } of findings) {
        const word = severity === 'Error' ? out.paint('red', 'error') : out.paint('yellow', 'warning');
        out.line(`${file}:${line}: ${word} ${id}: ${object}: ${printable(message)}`);
      }
      if (findings.length === 0) out.line(`${countOf(documents)}, no finding`);
    }
    const isBad = findings.some(({ severity }) => severity === 'Error' || values.strict === true);
    return isBad ? exitCodes.no : exitCodes.done;
  },
});

/** `3 objects`, and how many of them are not looked at. */
function countOf(documents: readonly Document[]): string {
  const others = documents.length - oursIn(documents).length;
  const count = `${documents.length} ${documents.length === 1 ? 'object' : 'objects'}`;
  return others === 0 ? count : `${count} (${others} of other kinds, not looked at)`;
}

/** What files and cluster say. Where a file is wrong by itself, the API server says the same in other words. */
async function findingsLive(context: Context, documents: readonly Document[]): Promise<LintFinding[]> {
  const { client, namespace } = context.cluster();
  const { osImages, distributions } = await readScene(client, namespace);
  const found = findingsIn(
    documents,
    [...osImages, ...distributions].map((it) => ({ ...it })),
  );
  const told = await serverFindings(client, oursIn(documents), namespace);
  const isKnown = ({ file, line, object }: LintFinding) =>
    found.some((it) => it.severity === 'Error' && it.file === file && it.line === line && it.object === object);
  return [...found, ...told.filter((it) => it.id === 'policy' || !isKnown(it))];
}

function read(file: string): Promise<string> {
  if (file === '-') return textOf(process.stdin);
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
}

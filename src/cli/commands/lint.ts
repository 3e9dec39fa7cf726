import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import process from 'node:process';
import { CommandError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import { documentsOf } from '../lint/documents.ts';
import { lint as findingsIn } from '../lint/lint.ts';
import { isStructured, structured } from '../output.ts';
import { printable } from '../terminal.ts';

/** Whether manifests make sense, before anybody applies them. */
export const lint = defineCommand({
  name: ['lint'],
  summary: 'Check manifests of Monoroot without a cluster',
  positionals: ['FILE...'],
  completes: [['File']],
  options: { strict: { type: 'boolean', help: 'warnings, too, give exit code 1' }, ...reportOutput },
  description: `Types, bounds, patterns and unknown fields, as the definitions of the kinds have them; names across the objects of all files; schedules and time zones of
windows. FILE is YAML or JSON, with any objects; - is the standard input. Rules in CEL and admission policies are for the API server:
kubectl apply --dry-run=server asks it. The exit code is 1 when there is an error.`,
  examples: ['kubectl monoroot lint deploy/*.yaml', 'kubectl kustomize overlay | kubectl monoroot lint -'],
  async run({ out }, { values, positionals }) {
    const documents = (await Promise.all(positionals.map(async (file) => documentsOf(file, await read(file))))).flat();
    const findings = findingsIn(documents);
    if (isStructured(values.output)) out.line(structured(values.output, findings));
    else {
      for (const { file, line, severity, id, object, message } of findings) {
        const word = severity === 'Error' ? out.paint('red', 'error') : out.paint('yellow', 'warning');
        out.line(`${file}:${line}: ${word} ${id}: ${object}: ${printable(message)}`);
      }
      if (findings.length === 0)
        out.line(`${documents.length} ${documents.length === 1 ? 'object' : 'objects'}, no finding`);
    }
    const isBad = findings.some(({ severity }) => severity === 'Error' || values.strict === true);
    return isBad ? exitCodes.no : exitCodes.done;
  },
});

function read(file: string): Promise<string> {
  if (file === '-') return textOf(process.stdin);
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
}

import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { gateQuestions } from '../../controllers/imagedistribution/gate-questions.ts';
import { askGates } from '../../controllers/imagedistribution/rollout/gates/ask.ts';
import { secretReader } from '../../kube/secrets.ts';
import { CommandError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Context } from '../command.ts';
import { askFromOperator } from '../gate/ask.ts';
import type { Answer } from '../gate/ask.ts';
import { verdictOf } from '../gate/verdict.ts';
import { isStructured, structured } from '../output.ts';
import { getDistribution } from '../rollout/change.ts';
import { findSystemNamespace, readyPods } from '../system.ts';
import { printable, table } from '../terminal.ts';

/** Asks the gates of a rollout now, and changes nothing. */
export const gateTest = defineCommand({
  name: ['gate', 'test'],
  summary: 'Ask gates of a rollout now, and say what the operator would make of the answers',
  positionals: ['IMAGEDISTRIBUTION', '[GATE...]'],
  completes: [['ImageDistribution']],
  options: {
    local: { type: 'boolean', help: 'ask from this machine, with your own rights to read Secrets of gates' },
    'system-namespace': {
      type: 'string',
      value: 'NAME',
      help: 'namespace of the operator; by default the one in which it is found',
    },
    ...reportOutput,
  },
  description: `Runs a program beside the operator (kubectl exec), so that network, names of servers, Secrets and limits are those of the real question. Nothing of
the rollout changes: the answer is not counted. The exit code is 0 when all gates hold, 1 when one does not.`,
  examples: ['kubectl monoroot gate test debian-12', 'kubectl monoroot gate test debian-12 error-rate'],
  async run(context, { values, positionals: [name = '', ...gates] }) {
    const { client } = context.cluster();
    const distribution = await getDistribution(client, name);
    requireGates(distribution, gates);
    const namespace = values['system-namespace'] ?? (await findSystemNamespace(client));
    const answers =
      values.local === true
        ? await askHere(context, distribution, gates, namespace)
        : await askThere(context, name, gates, namespace);
    const told = answers.map((answer) => ({ ...answer, verdict: verdictOf(distribution, answer) }));
    if (isStructured(values.output)) context.out.line(structured(values.output, { distribution: name, gates: told }));
    else for (const line of render(told)) context.out.line(line);
    return told.every(({ holds }) => holds) ? exitCodes.done : exitCodes.no;
  },
});

const render = (answers: readonly (Answer & { verdict: string })[]): string[] =>
  table([
    ['GATE', 'HOLDS', 'ROLLOUT', 'ANSWER'],
    ...answers.map(({ name, holds, verdict, message }) => [name, holds ? 'yes' : 'no', verdict, printable(message)]),
  ]);

function requireGates({ metadata, spec }: ImageDistribution, asked: readonly string[]): void {
  const known = (spec.activate.existingContainers?.gates ?? []).map((it) => it.name);
  if (known.length === 0)
    throw new CommandError(
      `ImageDistribution ${metadata.name} has no gates: set spec.activate.existingContainers.gates`,
    );
  const unknown = asked.find((it) => !known.includes(it));
  if (unknown !== undefined)
    throw new CommandError(`ImageDistribution ${metadata.name} has no gate ${unknown}; it has ${known.join(', ')}`);
}

function askHere({ cluster, signal }: Context, distribution: ImageDistribution, gates: string[], namespace: string) {
  const ports = { readSecret: secretReader(cluster().client, namespace), localAddresses: true };
  return askGates(gateQuestions(distribution, gates), ports, signal);
}

async function askThere(context: Context, name: string, gates: string[], namespace: string): Promise<Answer[]> {
  const { client, kubectlOptions } = context.cluster();
  const [pod] = await readyPods(client, namespace, 'operator');
  if (!pod)
    throw new CommandError(`No operator is ready in namespace ${namespace}, so none can ask; --local asks from here`);
  const { kubectl, signal } = context;
  return askFromOperator(name, gates, { kubectl, kubectlOptions, namespace, pod: pod.metadata.name, signal });
}

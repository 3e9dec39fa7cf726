import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { CommandError } from '../command.ts';

export interface Answer {
  name: string;
  holds: boolean;
  message: string;
}
const answers = z.array(z.object({ name: z.string(), holds: z.boolean(), message: z.string() }));

export interface OperatorPorts {
  /** The program kubectl. */
  kubectl: string;
  /** Its options that name the cluster. */
  kubectlOptions: readonly string[];
  namespace: string;
  /** A Pod of the operator. */
  pod: string;
  signal: AbortSignal;
}

const program = '/opt/monoroot/gates.js';
const run = promisify(execFile);

/** What gates answer to a program that runs beside the operator. Throws an error for users when it gives no answer. */
export async function askFromOperator(
  distribution: string,
  gates: readonly string[],
  { kubectl, kubectlOptions, namespace, pod, signal }: OperatorPorts,
): Promise<Answer[]> {
  // So little memory that it gets in the way of no operator, whose limit it shares.
  const command = ['node', '--max-old-space-size=64', '--max-semi-space-size=2', program, distribution, ...gates];
  const args = [...kubectlOptions, 'exec', `--namespace=${namespace}`, pod, '--container=operator', '--', ...command];
  const { stdout } = await run(kubectl, args, { signal, maxBuffer: 2 ** 20 }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw explained(error, pod);
  });
  return answers.parse(JSON.parse(stdout));
}

function explained(error: unknown, pod: string): unknown {
  if (!(error instanceof Error)) return error;
  const { code, stderr = '' } = error as Error & { code?: unknown; stderr?: string };
  if (code === 'ENOENT') return new CommandError('kubectl is not in the PATH; it is what asks the operator');
  if (stderr.includes(`Cannot find module '${program}'`))
    return new CommandError(`The operator ${pod} is too old to test gates; update Monoroot, or ask with --local`);
  // kubectl adds a line of its own to what the program complained of.
  const lines = stderr.trim().split('\n').filter((line) => !line.startsWith('command terminated with exit code')); // prettier-ignore
  return new CommandError(
    `The operator ${pod} gave no answer: ${lines.at(-1) || error.message}; --local asks from this machine`,
  );
}

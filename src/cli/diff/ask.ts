import { spawn } from 'node:child_process';
import { createGunzip } from 'node:zlib';
import { inspectionLine } from '../../api/inspection.ts';
import type { InspectionLine } from '../../api/inspection.ts';
import { linesOf } from '../../runtime/lines.ts';
import { CommandError } from '../command.ts';
import type { Agent } from './agents.ts';
import { LostOutput } from './inspection.ts';

export interface AskPorts {
  /** The program kubectl. */
  kubectl: string;
  /** Its options that name the cluster. */
  kubectlOptions: readonly string[];
  /** Namespace of the agents. */
  namespace: string;
  signal: AbortSignal;
}

const program = '/opt/monoroot/inspect.js';

/**
 * What the agent of a node tells about an image: kubectl runs the inspect program beside it. Whoever stops reading ends it.
 * Throws LostOutput when the connection ended before the answer did.
 */
export async function* askAgent(agent: Agent, image: string, ports: AskPorts): AsyncGenerator<InspectionLine> {
  // So little memory that it gets in the way of no agent, whose limit it shares.
  const command = ['node', '--max-old-space-size=96', '--max-semi-space-size=2', program, image];
  const target = [`--namespace=${ports.namespace}`, agent.pod, '--container=agent'];
  const args = [...ports.kubectlOptions, 'exec', ...target, '--', ...command];
  const child = spawn(ports.kubectl, args, { stdio: ['ignore', 'pipe', 'pipe'], signal: ports.signal });
  const complaints = child.stderr.setEncoding('utf8').toArray();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    const text = child.stdout.pipe(createGunzip()).setEncoding('utf8') as AsyncIterable<string>;
    for await (const line of linesOf(text)) yield inspectionLine.parse(JSON.parse(line));
  } catch (error) {
    // No one reads the rest; the program must not wait for that.
    child.stdout.resume();
    await explain(ended, complaints, agent);
    throw new LostOutput(`The answer of the agent on node ${agent.node} was cut short`, { cause: error });
  } finally {
    child.kill();
  }
  await explain(ended, complaints, agent);
}

/** Throws why kubectl failed, if it did. */
async function explain(ended: Promise<number | null>, complaints: Promise<unknown[]>, agent: Agent): Promise<void> {
  const code = await ended.catch((error: unknown) => {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing) throw new CommandError('kubectl is not in the PATH; it is what asks the agents');
    throw error;
  });
  if (code === 0) return;
  const said = (await complaints).join('').trim();
  if (said.includes(`Cannot find module '${program}'`)) {
    throw new CommandError(`The agent on node ${agent.node} is too old to tell what is in an image; update Monoroot`);
  }
  // kubectl adds a line of its own to what the program complained of.
  const lines = said.split('\n').filter((line) => !line.startsWith('command terminated with exit code'));
  throw new CommandError(
    `The agent on node ${agent.node} gave no answer: ${lines.at(-1) ?? `kubectl ended with ${code}`}`,
  );
}

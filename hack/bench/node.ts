import { join } from 'node:path';
import { run } from '../lib/process.ts';

const cluster = join(import.meta.dirname, '..', 'cluster');

/** Runs a bash script inside a node of hack/cluster, with arguments $1 …; its output. Throws when it failed. */
export async function inNode(node: string, script: string, ...args: string[]): Promise<string> {
  const options = { timeoutSeconds: 600 };
  const command = ['node', 'exec', node, 'bash', '-euo', 'pipefail', '-c', script, 'bash', ...args];
  const { code, stdout, stderr } = await run(cluster, command, options);
  const [first = ''] = script.trim().split('\n');
  if (code !== 0) throw new Error(`On ${node}, this ended with ${code}: ${first} …\n${stderr.trim()}`);
  return stdout;
}

/** Milliseconds that a bash script took inside a node, as a clock there told. */
export async function timeInNode(node: string, script: string, ...args: string[]): Promise<number> {
  const timed = `began=$EPOCHREALTIME\n{ ${script}\n} >&2\necho "$began $EPOCHREALTIME"`;
  const [began = NaN, ended = NaN] = (await inNode(node, timed, ...args)).split(' ').map(Number);
  return (ended - began) * 1000;
}

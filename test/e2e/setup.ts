import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { run } from '../../hack/lib/process.ts';

const hack = join(import.meta.dirname, '..', '..', 'hack');

/** The cluster of hack/cluster with Monoroot as it is in the work tree. One that already runs is used, and left running. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const running = (await run(join(hack, 'cluster'), ['kubeconfig'])).code === 0;
  await tell('cluster', 'up');
  await tell('install');
  project.provide('kubeconfig', (await run(join(hack, 'cluster'), ['kubeconfig'])).stdout.trim());
  return async () => {
    if (!running && process.env.MONOROOT_KEEP_CLUSTER !== '1') await tell('cluster', 'down');
  };
}

/** Runs a program of hack/, showing what it says. */
async function tell(program: string, ...args: string[]): Promise<void> {
  const { code } = await run(join(hack, program), args, { onLine: (line) => console.log(line) });
  if (code !== 0) throw new Error(`hack/${program} ${args.join(' ')} ended with ${code}`);
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../test/fixtures/free-port.ts';
import { systemNamespace } from '../../../test/integration/manifests.ts';
import type { Fleet } from './control-plane.ts';
import { deployedFlags } from './deployed-flags.ts';

const root = join(import.meta.dirname, '../../..');
const mebibyte = 1024 * 1024;
const ticksPerSecond = 100;

/** What the operator took in a span of time. */
export interface Usage {
  /** Of processor time. */
  cpuSeconds: number;
  /** Largest resident memory that was sampled, in MiB. */
  peakMiB: number;
  /** By controller the most keys that waited at once. */
  deepest: Record<string, number>;
  /** The longest time that the event loop stood still, in milliseconds, as the process itself measured it. */
  longestStallMilliseconds: number;
}

export interface Operator {
  /** Forgets what was measured so far. */
  reset(): void;
  usage(): Usage;
  /** By controller the keys that wait now. */
  waiting(): Promise<Record<string, number>>;
}

/** Starts the real operator, bundled and limited as in deploy/operator.yaml, with the rights of its service account. */
export async function startOperator(
  fleet: Fleet,
  options: { profile: string | undefined; signal: AbortSignal },
): Promise<Operator> {
  execFileSync(process.execPath, [join(root, 'hack/build.ts'), 'operator'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const port = await freePort();
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const flags = [...deployedFlags(readFileSync(join(root, 'deploy/operator.yaml'), 'utf8')), ...profiling];
  const child = fleet.programs.start('operator', process.execPath, [...flags, join(root, 'dist/operator.js')], {
    KUBECONFIG: await fleet.kubeconfigOf('monoroot-operator'),
    POD_NAME: 'operator',
    POD_NAMESPACE: systemNamespace,
    SCAFFOLD_MERGED: 'localhost/monoroot-scaffold-merged:dev',
    SCAFFOLD_SPLIT: 'localhost/monoroot-scaffold-split:dev',
    BUILDER_IMAGE: 'localhost/monoroot-builder:dev',
    HEALTH_PORT: String(port),
    LOG_LEVEL: 'warn',
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error('The operator did not start');
  const url = `http://127.0.0.1:${port}`;
  await waitUntilReady(`${url}/readyz`, fleet.programs.failed);

  let since = cpuSeconds(pid);
  let seen = { peakMiB: 0, deepest: {} as Record<string, number>, longestStallMilliseconds: 0 };
  const sample = async () => {
    seen.peakMiB = Math.max(seen.peakMiB, residentMiB(pid));
    const metrics = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) })).text();
    for (const [name, depth] of depths(metrics)) seen.deepest[name] = Math.max(seen.deepest[name] ?? 0, depth);
    const stall = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(metrics)?.[1] ?? '0';
    seen.longestStallMilliseconds = Math.max(seen.longestStallMilliseconds, Number(stall) * 1000);
  };
  const timer = setInterval(() => void sample().catch(() => undefined), 500);
  options.signal.addEventListener('abort', () => clearInterval(timer));
  return {
    reset() {
      since = cpuSeconds(pid);
      seen = { peakMiB: residentMiB(pid), deepest: {}, longestStallMilliseconds: 0 };
    },
    usage: () => ({ ...seen, cpuSeconds: cpuSeconds(pid) - since }),
    waiting: async () => Object.fromEntries(depths(await (await fetch(`${url}/metrics`)).text())),
  };
}

async function waitUntilReady(url: string, failed: Promise<never>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const isReady = fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (await Promise.race([isReady, failed])) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('The operator was not ready within 60 s');
}

const depths = (metrics: string): [string, number][] =>
  [...metrics.matchAll(/^workqueue_depth\{name="([^"]+)"\} (\d+)/gm)].map(([, name = '', depth]) => [
    name,
    Number(depth),
  ]);

const residentMiB = (pid: number): number =>
  (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024) / mebibyte;

/** User and system time of the process and all of its threads. */
function cpuSeconds(pid: number): number {
  // The name in the second field may have spaces; what follows it has not.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

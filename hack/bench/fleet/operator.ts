import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../test/fixtures/free-port.ts';
import { systemNamespace } from '../../../test/integration/manifests.ts';
import type { Fleet } from './control-plane.ts';
import { deployedFlags } from './deployed-flags.ts';
import { cpuSeconds, residentMiB } from './process-usage.ts';

const root = join(import.meta.dirname, '../../..');

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
  /** 999 of 1,000 delays of its event loop were at most so long; the bound of a bucket of its own metric, in milliseconds. */
  delayMilliseconds: number;
}

export interface Operator {
  /** Forgets what was measured so far. */
  reset(): void;
  usage(): Usage;
  /** The keys that wait now, of all controllers. */
  waiting(): Promise<number>;
  /** Ends it: `SIGTERM` as a kubelet does, and it releases its Lease; `SIGKILL` as a node that fails. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts the real operator, bundled and limited as in deploy/operator.yaml, with the rights of its service account. */
export async function startOperator(
  fleet: Fleet,
  options: { name?: string; profile: string | undefined; signal: AbortSignal },
): Promise<Operator> {
  execFileSync(process.execPath, [join(root, 'hack/build.ts'), 'operator'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const port = await freePort();
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const flags = [...deployedFlags(readFileSync(join(root, 'deploy/operator.yaml'), 'utf8')), ...profiling];
  const name = options.name ?? 'operator';
  const child = fleet.programs.start(name, process.execPath, [...flags, join(root, 'dist/operator.js')], {
    KUBECONFIG: await fleet.kubeconfigOf('monoroot-operator'),
    POD_NAME: name,
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
  let delays = { since: new Map<string, number>(), last: new Map<string, number>() };
  const sample = async () => {
    seen.peakMiB = Math.max(seen.peakMiB, residentMiB(pid));
    const metrics = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) })).text();
    for (const [name, depth] of depths(metrics)) seen.deepest[name] = Math.max(seen.deepest[name] ?? 0, depth);
    delays.last = bucketsOf(metrics);
    const stall = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(metrics)?.[1] ?? '0';
    seen.longestStallMilliseconds = Math.max(seen.longestStallMilliseconds, Number(stall) * 1000);
  };
  const timer = setInterval(() => void sample().catch(() => undefined), 500);
  options.signal.addEventListener('abort', () => clearInterval(timer));
  return {
    reset() {
      since = cpuSeconds(pid);
      seen = { peakMiB: residentMiB(pid), deepest: {}, longestStallMilliseconds: 0 };
      delays = { since: delays.last, last: delays.last };
    },
    usage: () => ({ ...seen, cpuSeconds: cpuSeconds(pid) - since, delayMilliseconds: quantile(delays, 0.999) * 1000 }),
    waiting: async () =>
      depths(await (await fetch(`${url}/metrics`)).text()).reduce((sum, [, depth]) => sum + depth, 0),
    async end(how) {
      clearInterval(timer);
      await fleet.programs.end(child, how);
    },
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

/** By upper bound how many delays of the event loop were at most so long. */
const bucketsOf = (metrics: string): Map<string, number> =>
  new Map(
    [...metrics.matchAll(/^monoroot_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)/gm)].map(
      ([, le = '', count]) => [le, Number(count)],
    ),
  );

/** The smallest bound that so large a part of what was counted since then lies below, in seconds. */
function quantile({ since, last }: { since: Map<string, number>; last: Map<string, number> }, part: number): number {
  const counts = [...last].map(([le, count]) => ({
    le: Number(le.replace('+Inf', 'Infinity')),
    count: count - (since.get(le) ?? 0),
  }));
  const all = Math.max(0, ...counts.map(({ count }) => count));
  return counts.find(({ count }) => count >= all * part)?.le ?? NaN;
}

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer } from './answers-worker.ts';

/**
 * When the services of a bench answer, as a client sees it that asks for their page every few milliseconds. The machine that
 * hack/cluster runs on reaches Pods by their addresses, and learns those as early as the node gives them: an address that is only
 * in the status of a Pod comes later than the first answer may. All times are those of performance.now().
 */
export interface Answers {
  /** When the first answer of this kind came, at `since` or later. */
  first(since: number, what: string, holds: (page: string) => boolean, seconds?: number): Promise<number>;
  /** When the last answer of this kind came of a service that answered before this time. */
  last(before: number, holds: (page: string) => boolean): number;
  stop(): Promise<unknown>;
}

/** Equal answers from one address without a pause. */
interface Run {
  page: string;
  first: number;
  last: number;
}

/** Milliseconds without an answer that end a run. */
const pause = 100;

/** Asks at every address that a Pod on the node gets, from now on. */
export async function askPods(node: string): Promise<Answers> {
  const kubeconfig = execFileSync(join(import.meta.dirname, '..', 'cluster'), ['kubeconfig'], { encoding: 'utf8' });
  const addresses = join(dirname(kubeconfig.trim()), 'nodes', node, 'disk/var/lib/cni/networks/monoroot');
  const worker = new Worker(new URL('./answers-worker.ts', import.meta.url), { workerData: addresses });
  await once(worker, 'message');
  const current = new Map<string, Run>();
  const runs: Run[] = [];
  const waiting = new Set<() => void>();
  worker.on('message', ({ address, page, ...times }: Answer) => {
    const [asked, at] = [times.asked - performance.timeOrigin, times.at - performance.timeOrigin];
    const run = current.get(address);
    // An answer to an earlier question may come after that to a later one.
    if (run && run.page !== page && asked < run.first) return;
    if (run?.page === page && at - run.last < pause) run.last = at;
    else {
      const next = { page, first: at, last: at };
      current.set(address, next);
      runs.push(next);
    }
    for (const look of waiting) look();
  });
  return {
    first: (since, what, holds, seconds = 90) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const run = runs.find(({ page, last }) => last >= since && holds(page));
          if (!run) return;
          end();
          resolve(Math.max(since, run.first));
        };
        const late = setTimeout(() => {
          end();
          reject(new Error(`No answer within ${seconds} s: ${what}; the last was ${runs.at(-1)?.page ?? 'none'}`));
        }, seconds * 1000);
        const end = () => {
          clearTimeout(late);
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    last: (before, holds) =>
      Math.max(...runs.filter((it) => it.first < before && holds(it.page)).map(({ last }) => last)),
    stop: () => worker.terminate(),
  };
}

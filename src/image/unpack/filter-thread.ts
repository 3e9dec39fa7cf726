import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorCode } from '../../system/errors.ts';
import type { Filter, FilterOutcome, FilterPipes } from './filter-stream.ts';

/** The program of the thread, in programs that are made one file each (`hack/lib/threads.ts`). */
declare const FILTER_THREAD: string | undefined;

export interface FilterRequest {
  pipes: FilterPipes;
  filter: Filter;
  counters: BigInt64Array;
}

/** Of the heap: what the limits of links, directories and headers take (docs/limits.md). */
const memory = { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 4 };
/** The layers of an image come one soon after the other. */
const idleMilliseconds = 5_000;
const idle: Worker[] = [];

/**
 * Has a thread filter a stream, see `filterStream`: the event loop neither waits for a pipe nor makes garbage of what goes through. It
 * never rejects: when the thread dies, that is a failure of the stream.
 */
export async function filterInThread(request: FilterRequest): Promise<FilterOutcome> {
  const worker = idle.pop() ?? startThread();
  worker.ref();
  try {
    const outcome = await reply(worker, request);
    keep(worker);
    return outcome;
  } catch (error) {
    void worker.terminate();
    return { isBroken: false, failure: failureOf(error) };
  }
}

function startThread(): Worker {
  const worker =
    typeof FILTER_THREAD === 'string'
      ? new Worker(FILTER_THREAD, { eval: true, execArgv: [], resourceLimits: memory })
      : new Worker(join(import.meta.dirname, '../../cmd/filter.ts'), { execArgv: [], resourceLimits: memory });
  // Whoever waits for it hears of its end; one that is idle is not taken again.
  worker.on('error', () => undefined);
  worker.once('exit', () => void takeOut(worker));
  return worker;
}

function reply(worker: Worker, request: FilterRequest): Promise<FilterOutcome> {
  return new Promise((resolve, reject) => {
    const settle = () => worker.off('message', take).off('error', fail).off('exit', exit);
    const take = (outcome: FilterOutcome) => {
      settle();
      resolve(outcome);
    };
    const fail = (error: unknown) => {
      settle();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const exit = (code: number) => fail(new Error(`The thread that reads archives ended with ${code}`));
    worker.on('message', take).on('error', fail).on('exit', exit);
    worker.postMessage(request);
  });
}

/** For the next stream, for a while. */
function keep(worker: Worker): void {
  worker.unref();
  idle.push(worker);
  setTimeout(() => takeOut(worker) && void worker.terminate(), idleMilliseconds).unref();
}

function takeOut(worker: Worker): boolean {
  const at = idle.indexOf(worker);
  return at >= 0 && idle.splice(at, 1).length > 0;
}

function failureOf(error: unknown): NonNullable<FilterOutcome['failure']> {
  if (errorCode(error) === 'ERR_WORKER_OUT_OF_MEMORY') {
    const message = 'The headers of the archive take more memory than they may';
    return {
      reason: 'TooLarge',
      message: `${message}; pack it with fewer extended attributes, and see docs/limits.md`,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { reason: 'StoreFailed', message: `${message}; look at the log of the agent on this node` };
}

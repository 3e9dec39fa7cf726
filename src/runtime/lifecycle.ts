import type { Logger } from 'pino';
import { aborted, sleep } from './time.ts';

/** Something that runs for as long as the process does. */
export interface Task {
  name: string;
  /** Runs until the signal aborts. Ending or failing earlier ends the whole process. */
  run: (signal: AbortSignal) => Promise<void>;
}

export interface LifecycleOptions {
  tasks: readonly Task[];
  /** Aborts when the process is asked to stop. */
  signal: AbortSignal;
  logger: Logger;
  /** How long the tasks may take to end; less than the terminationGracePeriodSeconds of the Pod. */
  graceSeconds?: number;
}

/**
 * Runs all tasks until the signal aborts or one of them ends, then stops the others. Resolves when all have ended after the
 * signal. Rejects with the failure of the first that failed, and when tasks are still running at the end of the grace time.
 */
export async function runTasks(options: LifecycleOptions): Promise<void> {
  const { tasks, signal, logger } = options;
  const stop = new AbortController();
  const running = new Set<string>();
  const failures: unknown[] = [];

  async function run({ name, run }: Task): Promise<void> {
    running.add(name);
    try {
      await run(stop.signal);
      if (!stop.signal.aborted) throw new Error(`Task ${name} ended although no one stopped it`);
    } catch (error) {
      failures.push(error);
      if (failures.length > 1) logger.error({ err: error, task: name }, 'Task failed while stopping');
    } finally {
      running.delete(name);
      stop.abort();
    }
  }

  const all = Promise.all(tasks.map(run));
  await Promise.race([aborted(signal), aborted(stop.signal)]);
  stop.abort();

  const grace = new AbortController();
  const late = sleep((options.graceSeconds ?? 25) * 1000, grace.signal);
  await Promise.race([all, late]);
  grace.abort();
  if (failures.length > 0) throw failures[0];
  if (running.size > 0) throw new Error(`Tasks did not stop in time: ${[...running].join(', ')}`);
}

import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { sleep } from '../../runtime/time.ts';
import { readLines, startProgram } from '../../system/programs.ts';
import type { StorePaths } from './paths.ts';

/** How long it may take to get a lock that no one has. */
const soonMilliseconds = 1_000;

/**
 * Does `work` while no other process works on the store; waits, however long, until that is so. The signal that `work` gets
 * aborts with `signal`, and when the lock is lost; then this throws at the end. When `signal` aborts before the lock is held,
 * this resolves and nothing is done.
 *
 * The lock is the kernel's (flock on a file beside the store), so whoever is killed leaves nothing behind. Node.js has no call
 * for it. The child that holds it ends with its input, a pipe of ours, and so with this process.
 */
export async function withStoreLock(
  { root }: StorePaths,
  logger: Logger,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const file = join(root, 'lock');
  const child = startProgram(['flock', '--no-fork', file, 'cat'], {});
  // Why it does not read any more is reported by its end.
  child.stdin.on('error', () => undefined);
  let complaint = '';
  const lines = readLines(child.stderr, (line) => (complaint = line)).catch(() => undefined);
  const ended = once(child, 'exit').then(
    () => lines,
    (error: unknown) => void (complaint = String(error)),
  );
  const lost = new AbortController();
  void ended.then(() => lost.abort());
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    // What comes back has been through cat, which runs only when the lock is held.
    child.stdin.write('\n');
    const held = once(child.stdout, 'data', { signal: lost.signal }).then(
      () => true,
      () => false,
    );
    if (!(await patiently(held, file, logger)) && !signal.aborted) throw new Error(`Cannot lock ${file}: ${complaint}`);
    signal.removeEventListener('abort', kill);
    if (signal.aborted) return;
    await work(AbortSignal.any([signal, lost.signal]));
    if (lost.signal.aborted) throw new Error(`Lost the lock of ${file}: the process that held it is gone`);
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
    await ended;
  }
}

/** Tells that there is something to wait for, and when that is over. */
async function patiently(held: Promise<boolean>, file: string, logger: Logger): Promise<boolean> {
  const over = new AbortController();
  void held.then(() => over.abort());
  await sleep(soonMilliseconds, over.signal);
  if (over.signal.aborted) return held;
  logger.warn({ file }, 'Waiting for another agent that uses the store of this node; check that only one is deployed');
  if (!(await held)) return false;
  logger.info({ file }, 'Continued: no other agent uses the store any more');
  return true;
}

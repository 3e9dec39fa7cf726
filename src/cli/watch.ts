import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from './command.ts';

const pauseMilliseconds = 2000;

/**
 * Shows lines once, or with `watch` until Ctrl-C: on a terminal in place, in a pipe again whenever they differ. The last answer of `read` is
 * given back.
 */
export async function showWatching<T extends { lines: readonly string[] }>(
  { out, stdout, signal }: Context,
  watch: boolean | undefined,
  read: () => Promise<T>,
): Promise<T> {
  let before = '';
  for (;;) {
    const answer = await read();
    const text = answer.lines.join('\n');
    if (watch !== true || signal.aborted) {
      if (text !== '') out.line(text);
      return answer;
    }
    if (stdout.isTTY === true) out.progress(text);
    else if (text !== before) out.line(text);
    before = text;
    try {
      await wait(pauseMilliseconds, undefined, { signal });
    } catch {
      return answer;
    }
  }
}

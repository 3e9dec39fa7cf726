import type { Logger } from 'pino';
import { aborted, sleep } from './time.ts';

/** Something outside of the process that must be so. */
export interface Precondition {
  name: string;
  /** What is wrong; undefined when nothing is. Rejects when that cannot be known now. */
  check: (signal: AbortSignal) => Promise<string | undefined>;
}

export interface PreconditionOptions {
  preconditions: readonly Precondition[];
  logger: Logger;
  /** After each check: 1 it is so, 0 it is not; not called when it cannot be known. */
  checked: (name: string, holds: boolean) => void;
  /** Between checks while something is wrong or cannot be known, doubled each time up to `longestRetrySeconds`. */
  retrySeconds?: number;
  longestRetrySeconds?: number;
  /** Between checks while all is well. */
  recheckSeconds?: number;
}

export interface Preconditions {
  /** Checks all, again and again, until the signal aborts. Never rejects. */
  run: (signal: AbortSignal) => Promise<void>;
  /** Resolves after the first check that found nothing wrong, or when the signal aborts. What cannot be known is not wrong. */
  met: (signal: AbortSignal) => Promise<void>;
  /** What is wrong, as of the last check; `not checked yet` before it. */
  problem: () => string | undefined;
}

/** Watches over what the process relies on; says each change once, with growing pauses between the checks. */
export function createPreconditions(options: PreconditionOptions): Preconditions {
  const { preconditions, logger, checked, retrySeconds = 5, longestRetrySeconds = 60, recheckSeconds = 600 } = options;
  const said = new Map<string, string>();
  let problem: string | undefined = 'not checked yet';
  const meeting = new AbortController();

  function say(name: string, state: string, level: 'info' | 'warn', message: string): void {
    if (said.get(name) === state) return;
    const isFirst = !said.has(name);
    said.set(name, state);
    if (level === 'warn' || !isFirst) logger[level]({ precondition: name, problem: state || undefined }, message);
  }

  async function checkOne(
    { name, check }: Precondition,
    signal: AbortSignal,
  ): Promise<{ wrong?: string | undefined } | undefined> {
    try {
      const wrong = await check(signal);
      checked(name, wrong === undefined);
      say(
        name,
        wrong ?? '',
        wrong === undefined ? 'info' : 'warn',
        wrong ? 'Found a precondition broken' : 'Met again',
      );
      return { wrong };
    } catch (error) {
      if (!signal.aborted) say(name, String(error), 'warn', 'Could not check a precondition');
      return undefined;
    }
  }

  return {
    async run(signal) {
      let pause = retrySeconds;
      let isChecked = false;
      while (!signal.aborted) {
        const results = [];
        for (const it of preconditions) results.push(await checkOne(it, signal));
        const wrong = results.find((it) => it?.wrong !== undefined)?.wrong;
        // An API server that is away proves nothing about what was wrong before.
        const wasWrong = isChecked ? problem : undefined;
        problem = wrong ?? (results.includes(undefined) ? wasWrong : undefined);
        isChecked = true;
        if (problem === undefined) meeting.abort();
        const isWell = wrong === undefined && !results.includes(undefined);
        await sleep((isWell ? recheckSeconds : pause) * 1000, signal);
        pause = isWell ? retrySeconds : Math.min(pause * 2, longestRetrySeconds);
      }
    },
    met: (signal) => Promise.race([aborted(meeting.signal), aborted(signal)]),
    problem: () => problem,
  };
}

/** `Enforce`: the process does not work before all is well. `Report`: it works and says what is wrong. `Off`: nothing is checked. */
export type PreconditionMode = 'Enforce' | 'Report' | 'Off';

/** Reads the mode from an environment variable. Throws an error that names variable, value and rule when it makes no sense. */
export function readMode(variable: string, text: string | undefined): PreconditionMode {
  const mode = (['Enforce', 'Report', 'Off'] as const).find((it) => it === (text || 'Enforce'));
  if (mode) return mode;
  throw new Error(`${variable} is '${text ?? ''}': it must be Enforce, Report or Off`);
}

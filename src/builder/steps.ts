import type { BuildLog } from './ports.ts';

export interface Steps {
  /** Does the next step, and tells how long it took. */
  run<T>(name: string, what: string, work: () => Promise<T>): Promise<T>;
}

/** Counts steps for whoever watches. */
export function createSteps(of: number, progress: BuildLog, now: () => number = () => performance.now()): Steps {
  let number = 0;
  return {
    async run(name, what, work) {
      number += 1;
      const step = { number, of, name, what };
      const began = now();
      progress.begin(step);
      const result = await work();
      progress.end(step, now() - began);
      return result;
    },
  };
}

/** Progress as lines, each of which makes sense in a log. */
export function lineProgress(write: (line: string) => void): BuildLog {
  const title = ({ number, of, name }: { number: number; of: number; name: string }) =>
    `==> Step ${number} of ${of}: ${name}`;
  return {
    begin: (step) => write(`${title(step)}: ${step.what}`),
    end: (step, milliseconds) => write(`${title(step)}: done in ${seconds(milliseconds)}`),
    line: (text) => write(`    ${text}`),
  };
}

/** A time for people: 0.3 s, 12 s, 2 min 5 s. */
export function seconds(milliseconds: number): string {
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const whole = Math.round(milliseconds / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

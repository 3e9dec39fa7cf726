/**
 * How a state ends. `Done`: it needs no end. `Waiting`: something is at work on it, or is tried again: Reconciling. `Person`:
 * only a person ends it: Stalled. `Wanted`: a person wants it so: neither, and settled for kstatus. `Depends`: as the object
 * that it waits for: Reconciling while something is at work on that one, else Stalled.
 */
export type End = 'Done' | 'Waiting' | 'Person' | 'Wanted' | 'Depends';

/** One reason of a condition. `waits`: for a reason that depends, whether something is at work on it. */
export interface Cause {
  reason: string;
  message: string;
  waits?: boolean | undefined;
}

/** Whether only a person can end it. */
export const needsPerson = (end: End, { waits }: Pick<Cause, 'waits'> = {}): boolean =>
  end === 'Person' || (end === 'Depends' && waits !== true);

import type { Answer, ClusterFacts } from './facts.ts';

/** `Skipped`: it could not be looked at. */
export type Outcome = 'Ok' | 'Warning' | 'Failed' | 'Skipped';

export interface Finding {
  id: string;
  outcome: Outcome;
  message: string;
  /** What to do; with what is not Ok. */
  hint?: string;
}

export interface Rule {
  id: string;
  /** Can be asked before Monoroot is installed. */
  isBefore: boolean;
  /** Whether the user has asked for it; each is asked unless it says so. */
  isAsked?: (facts: ClusterFacts) => boolean;
  find: (facts: ClusterFacts, now: Date) => Omit<Finding, 'id'>;
}

export const ok = (message: string) => ({ outcome: 'Ok', message }) as const;
export const failed = (message: string, hint: string) => ({ outcome: 'Failed', message, hint }) as const;
export const warning = (message: string, hint: string) => ({ outcome: 'Warning', message, hint }) as const;

/** Asks a rule only of what could be read. */
export const reading = <T>(answer: Answer<T>, rule: (found: T) => Omit<Finding, 'id'>): Omit<Finding, 'id'> =>
  'denied' in answer
    ? {
        outcome: 'Skipped',
        message: `It may not be read: ${answer.denied}`,
        hint: 'ask with an account of an administrator',
      }
    : rule(answer.found);

export const some = (names: readonly string[]) =>
  `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;

/** Asks a rule only when the objects of these kinds could be listed. */
export const seeing = (
  { scene }: Pick<ClusterFacts, 'scene'>,
  plurals: readonly string[],
  rule: () => Omit<Finding, 'id'>,
): Omit<Finding, 'id'> => {
  const hidden = plurals.filter((it) => scene.unseen.includes(it));
  return hidden.length === 0 ? rule() : reading<never>({ denied: `you may not list ${hidden.join(', ')}` }, rule);
};

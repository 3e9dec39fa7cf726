import { truncateMiddle } from './text.ts';
import { formatTime } from './time.ts';

/**
 * Longest message of a condition, in UTF-16 code units. What others say (a webhook, a kubelet) may be of any length, and an object with
 * a dozen such messages must still fit into etcd.
 */
export const longestMessage = 8192;

/** `meta/v1.Condition`. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  observedGeneration?: number | undefined;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

/** A condition as a planner states it: when it came about is for `setCondition` to find out. */
export type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/**
 * The conditions with one more or one replaced, sorted by type. `lastTransitionTime` moves only when `status` does, as the
 * API conventions have it, so that setting the same condition again gives an equal list.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  condition: NewCondition,
  now: Date,
): Condition[] {
  const others = (conditions ?? []).filter(({ type }) => type !== condition.type);
  const before = findCondition(conditions, condition.type);
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : formatTime(now);
  const message = truncateMiddle(condition.message, longestMessage);
  return [...others, { ...condition, message, lastTransitionTime }].sort(byType);
}

/** The conditions with all of these, which are about this generation. */
export function setConditions(
  conditions: readonly Condition[] | undefined,
  stated: readonly NewCondition[],
  generation: number | undefined,
  now: Date,
): Condition[] {
  const about = generation === undefined ? {} : { observedGeneration: generation };
  return stated.reduce<Condition[]>(
    (list, condition) => setCondition(list, { ...condition, ...about }, now),
    [...(conditions ?? [])],
  );
}

/** Whether all is done, it comes by itself, or a person must act. */
export type Progress = 'Done' | 'Going' | 'Failed';

/**
 * The two abnormal-true conditions of kstatus, by what Ready says:
 * https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
 */
export function kstatus(ready: NewCondition, progress: Progress): NewCondition[] {
  const state = (type: string, holds: boolean): NewCondition =>
    holds
      ? { ...ready, type, status: 'True' }
      : { type, status: 'False', reason: 'Settled', message: 'Nothing is being changed' };
  return [state('Reconciling', progress === 'Going'), state('Stalled', progress === 'Failed')];
}

/** The conditions without those of these types. */
export function removeConditions(conditions: readonly Condition[] | undefined, ...types: string[]): Condition[] {
  return (conditions ?? []).filter(({ type }) => !types.includes(type));
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition is there and True. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/** Whether the condition is there and False. Not the opposite of `isTrue`: Unknown and absent are neither. */
export function isFalse(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'False';
}

const byType = (a: Condition, b: Condition) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0);

import type { NewCondition, Progress } from './conditions.ts';
import { kstatus } from './conditions.ts';
import { firstHit } from './rules.ts';

/** The state of a condition, as a rule finds it. */
export type Finding<Reason extends string = string> = Pick<NewCondition, 'status' | 'message'> & { reason: Reason };

/** One state of a condition; undefined when it is another. `above` are the conditions that the table states before this one. */
export type ConditionRule<Input, Reason extends string = string> = (
  input: Input,
  above: readonly Stated<Reason>[],
) => Finding<Reason> | undefined;

/** A condition: its type, and its states in the order of importance. */
export interface ConditionRow<Input, Reason extends string = string> {
  type: string;
  rules: readonly ConditionRule<Input, Reason>[];
}

export type Stated<Reason extends string = string> = Finding<Reason> & Pick<NewCondition, 'type'>;

/**
 * The conditions of a table, in its order. The first rule of a row that finds something states the condition; a condition of which no
 * rule finds anything is left out. A summary, such as Ready, comes below what it sums up.
 */
export function stateConditions<Input, Reason extends string = string>(
  table: readonly ConditionRow<Input, Reason>[],
  input: Input,
): Stated<Reason>[] {
  const stated: Stated<Reason>[] = [];
  for (const { type, rules } of table) {
    const hit = firstHit(rules, input, stated);
    if (hit) stated.push({ type, status: hit.status, reason: hit.reason, message: hit.message });
  }
  return stated;
}

/** The condition of a type, which must be above in the table. */
export function above<Reason extends string>(stated: readonly Stated<Reason>[], type: string): Stated<Reason> {
  const found = stated.find((condition) => condition.type === type);
  if (!found) throw new Error(`Condition ${type} is not above: put its row higher in the table`);
  return found;
}

/** The rows of Reconciling and Stalled, which follow from Ready. */
export function kstatusRows<Input>(progress: (input: Input, ready: Stated) => Progress): ConditionRow<Input>[] {
  const row = (type: 'Reconciling' | 'Stalled'): ConditionRow<Input> => ({
    type,
    rules: [
      (input, stated) => {
        const ready = above(stated, 'Ready');
        return kstatus(ready, progress(input, ready)).find((condition) => condition.type === type);
      },
    ],
  });
  return [row('Reconciling'), row('Stalled')];
}

import { notPermitted as problemOf } from '../../pod/permitted.ts';
import type { ConditionRule } from '../../runtime/condition-table.ts';
import type { Input } from './input.ts';
import type { Reason } from './reasons.ts';

export const permittedType = 'Permitted';

/** An earlier version let something through: what runs goes on, but no other Pod is made of it. */
export const notPermitted: ConditionRule<Input, Reason> = ({ observed: { container, allowedCapabilities } }) => {
  const problem = problemOf(container, allowedCapabilities);
  if (problem === undefined) return undefined;
  const message = `${problem}. The Pod that runs keeps running; no other Pod is made before that`;
  return { status: 'False', reason: 'NotPermitted', message };
};

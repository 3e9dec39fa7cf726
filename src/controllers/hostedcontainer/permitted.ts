import { notPermitted } from '../../pod/permitted.ts';
import type { Stated } from './input.ts';
import type { Observed } from './observed.ts';

export const permittedType = 'Permitted';

/** An earlier version let something through: what runs goes on, but no other Pod is made of it. Nothing when all is well. */
export function permittedCondition({ container, allowedCapabilities }: Observed): Stated[] {
  const problem = notPermitted(container, allowedCapabilities);
  if (problem === undefined) return [];
  const message = `${problem}. The Pod that runs keeps running; no other Pod is made before that`;
  return [{ type: permittedType, status: 'False', reason: 'NotPermitted', message }];
}

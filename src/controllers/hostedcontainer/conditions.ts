import { stateConditions } from '../../runtime/condition-table.ts';
import type { ConditionRow, ConditionRule } from '../../runtime/condition-table.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import type { Input } from './input.ts';
import { notPermitted, permittedType } from './permitted.ts';
import { nothingChanges, notStalled, reconciling, stalled } from './progress.ts';
import * as ready from './ready.ts';
import type { Reason } from './reasons.ts';
import * as upgraded from './upgraded.ts';

const imageResolved: ConditionRule<Input, Reason> = ({ target }) => target.resolution;

/** Reconciling and Stalled sum up what is above them. Permitted is stated only when it is False. */
const table: readonly ConditionRow<Input, Reason>[] = [
  { type: 'ImageResolved', rules: [imageResolved] },
  {
    type: 'Upgraded',
    rules: [
      upgraded.notRunning,
      upgraded.imageNotResolved,
      upgraded.held,
      upgraded.failedBefore,
      upgraded.goingBack,
      upgraded.failedWithoutWayBack,
      upgraded.reverted,
      upgraded.upToDate,
      upgraded.blocked,
      upgraded.restarting,
      upgraded.going,
    ],
  },
  {
    type: 'Ready',
    rules: [
      ready.podConflict,
      ready.suspended,
      ready.serving,
      ready.earlierPod,
      ready.noPodYet,
      ready.nodeLost,
      ready.stopping,
      ready.launchGaveUp,
      ready.crashing,
      ready.pending,
      ready.starting,
    ],
  },
  { type: 'Stalled', rules: [stalled, notStalled] },
  { type: 'Reconciling', rules: [reconciling, nothingChanges] },
  { type: permittedType, rules: [notPermitted] },
];

export const conditionsOf = (input: Input): NewCondition[] => stateConditions(table, input);

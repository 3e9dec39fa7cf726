import { parseReference } from '../../api/images.ts';
import { isEmptySelector } from '../../api/kubernetes/selectors.ts';
import { above, kstatusRows, stateConditions } from '../../runtime/condition-table.ts';
import type { ConditionRow, Finding, Stated } from '../../runtime/condition-table.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { firstHit } from '../../runtime/rules.ts';
import { whyNotReleased } from '../images.ts';
import { isPaused, selectorOf } from '../node-images.ts';
import * as activation from './activation.ts';
import type { Activation } from './activation.ts';
import type { Counted } from './counts.ts';
import type { Observed } from './observed.ts';
import type { RolloutPlan } from './rollout/observed.ts';
import { done, missing, progressOf, wanted } from './summary.ts';

/** The part of the input that is known before the default version is. */
interface Nodes {
  o: Observed;
  counted: Counted;
}

/** What the conditions are computed from: what was seen, and what the plan has made of it. */
export interface Input extends Nodes {
  activation: Activation;
  /** Undefined when the distribution moves no existing containers. */
  rollout: RolloutPlan | undefined;
}

const distributed = [
  unknownImage,
  notReleased,
  emptySelector,
  noNodes,
  allNodes,
  nodesFailed,
  nodesUnreachable,
  paused,
  inProgress,
];

/** Ready sums up what is above it. */
const table: readonly ConditionRow<Input>[] = [
  { type: 'Distributed', rules: distributed },
  {
    type: 'Activated',
    rules: [
      activation.superseded,
      activation.newContainers,
      activation.notRequested,
      activation.imageCondemned,
      activation.waitingForOther,
      activation.waitingForNodes,
    ],
  },
  { type: 'RolledOut', rules: [rolledOut] },
  { type: 'RolloutHalted', rules: [halted, notHalted] },
  { type: 'Ready', rules: [wanted, missing, done] },
  ...kstatusRows<Input>(progressOf),
];

export const conditionsOf = (input: Input): NewCondition[] => stateConditions(table, input);

/** Whether all nodes that are selected have the image, which may then become a default version. */
export const isDistributed = (input: Nodes): boolean => firstHit(distributed, input)?.status === 'True';

const share = ({ ready, desired }: Counted): string => `${ready} of ${desired} nodes have it`;
const away = ({ unreachable, unreachableNode }: Counted): string =>
  unreachable > 0 ? `; ${unreachable} do not answer, such as ${unreachableNode ?? ''}` : '';

function unknownImage({ o: { distribution, image } }: Nodes): Finding | undefined {
  if (image) return undefined;
  const { os, version } = parseReference(distribution.spec.image);
  return { status: 'False', reason: 'UnknownImage', message: `There is no OSImage ${os}.${version ?? ''}: create it` };
}

function notReleased({ o: { image } }: Nodes): Finding | undefined {
  const why = image && whyNotReleased(image);
  return why && { status: 'False', ...why };
}

function emptySelector({ o: { distribution }, counted: { ready } }: Nodes): Finding | undefined {
  if (!isEmptySelector(selectorOf(distribution))) return undefined;
  const field = distribution.spec.selector ? 'spec.selector' : 'spec.nodeSelector';
  const message = `${field} is empty, which selects no further node: ${ready} nodes that have the image keep it. Name labels in spec.selector, or remove ${field} to select all nodes`;
  return { status: 'False', reason: 'EmptySelector', message };
}

function noNodes({ o: { image }, counted: { desired } }: Nodes): Finding | undefined {
  if (desired > 0) return undefined;
  const message = `No node of architecture ${image?.spec.architecture ?? ''} is selected: see spec.selector, spec.tolerations and the labels of the nodes`;
  return { status: 'False', reason: 'NoNodes', message };
}

function allNodes({ counted: { ready, desired } }: Nodes): Finding | undefined {
  return ready === desired
    ? { status: 'True', reason: 'AllNodes', message: `All ${desired} nodes have it` }
    : undefined;
}

function nodesFailed({ counted: { failed, desired, failedNodes } }: Nodes): Finding | undefined {
  const first = failedNodes[0];
  if (!first) return undefined;
  const message = `${failed} of ${desired} nodes could not get it. ${first.node}: ${first.reason}: ${first.message}`;
  return { status: 'False', reason: 'NodesFailed', message };
}

function nodesUnreachable({ counted }: Nodes): Finding | undefined {
  if (counted.ready + counted.unreachable !== counted.desired) return undefined;
  const message = `${share(counted)}${away(counted)}: they get it when they are back; delete Nodes that are gone for good`;
  return { status: 'False', reason: 'NodesUnreachable', message };
}

function paused({ o: { distribution }, counted }: Nodes): Finding | undefined {
  if (!isPaused(distribution)) return undefined;
  const message = `${share(counted)}${away(counted)}; paused by spec.parallelism 0`;
  return { status: 'False', reason: 'Paused', message };
}

function inProgress({ counted }: Nodes): Finding {
  return { status: 'False', reason: 'InProgress', message: `${share(counted)}${away(counted)}` };
}

function rolledOut({ rollout }: Input): Finding | undefined {
  if (!rollout) return undefined;
  const { reason, message } = rollout;
  return { status: reason === 'RolledOut' ? 'True' : 'False', reason, message };
}

function halted({ rollout }: Input, stated: readonly Stated[]): Finding | undefined {
  if (rollout?.reason !== 'RolloutHalted') return undefined;
  const { message } = above(stated, 'RolledOut');
  return { status: 'True', reason: rollout.rollout?.haltReason ?? 'Halted', message };
}

function notHalted({ rollout }: Input): Finding | undefined {
  return rollout && { status: 'False', reason: 'NotHalted', message: 'Nothing has stopped it' };
}

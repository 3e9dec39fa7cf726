import { namedSecrets } from '../../api/defaults.ts';
import { imageName } from '../../api/images.ts';
import { kstatusRows, stateConditions } from '../../runtime/condition-table.ts';
import type { ConditionRow, ConditionRule, Finding } from '../../runtime/condition-table.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { storedImage } from '../node-images.ts';
import { condemned, notCondemned } from './condemned.ts';
import { agreed, nodesDiffer } from './facts.ts';
import type { Facts } from './facts.ts';
import { allMounted, overlaySmall, partsMissing } from './layout.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Observed } from './observed.ts';
import { progressOf } from './reasons.ts';

/** What the conditions are computed from: what was seen, and what the plan has made of it. */
export interface Input {
  o: Observed;
  life: Lifecycle;
  facts: Facts;
  /** Nodes that have all of it. */
  ready: number;
  desired: number;
}

type Rule = ConditionRule<Input>;

/** Ready sums up what is above it. The facts are stated when they are known. */
const table: readonly ConditionRow<Input>[] = [
  { type: 'Accepted', rules: [secretInDefaults, valid] },
  { type: 'Built', rules: [stageOf('Built')] },
  { type: 'Verified', rules: [stageOf('Verified')] },
  { type: 'Published', rules: [stageOf('Published')] },
  { type: 'Consistent', rules: [nodesDiffer, agreed] },
  { type: 'LayoutComplete', rules: [overlaySmall, partsMissing, allMounted] },
  { type: 'Condemned', rules: [condemned, notCondemned] },
  { type: 'Ready', rules: [stagePending, stored, notDistributed, noNodes, notStored, distributing] },
  ...kstatusRows<Input>((_input, { reason }) => progressOf(reason)),
];

export const conditionsOf = (input: Input): NewCondition[] => stateConditions(table, input);

/** The API server refuses what does not make sense; but what an earlier version has let through is there. */
function secretInDefaults({ o: { image } }: Input): Finding | undefined {
  const names = namedSecrets(image.spec);
  if (names.length === 0) return undefined;
  const message = `spec.defaults.env names Secrets or ConfigMaps, which would be those of every namespace in which it runs. Containers do not get the variables ${names.slice(0, 10).join(', ')}: set them in the HostedContainers`;
  return { status: 'False', reason: 'SecretInDefaults', message };
}

function valid(): Finding {
  return { status: 'True', reason: 'Valid', message: 'The spec is valid' };
}

/** What the lifecycle says of one of its stages, if the image has that. */
function stageOf(type: string): Rule {
  return ({ life }) => life.conditions.find((condition) => condition.type === type);
}

/** Containers may use an image when it is tested and published. */
function stagePending({ life }: Input): Finding | undefined {
  return life.pending && { ...life.pending.condition, status: 'False' };
}

function stored({ ready }: Input): Finding | undefined {
  return ready > 0 ? { status: 'True', reason: 'Stored', message: `${ready} nodes have it` } : undefined;
}

function notDistributed({ o: { image, distributions } }: Input): Finding | undefined {
  const name = imageName(image.spec);
  if (distributions.some(({ spec }) => spec.image === name)) return undefined;
  const message = `No node stores it: create an ImageDistribution with spec.image ${name}`;
  return { status: 'False', reason: 'NotDistributed', message };
}

function noNodes({ o: { image }, desired }: Input): Finding | undefined {
  if (desired > 0) return undefined;
  const message = `Its ImageDistribution selects no node of architecture ${image.spec.architecture}`;
  return { status: 'False', reason: 'NoNodes', message };
}

/** The first node that has failed stands for all. */
function notStored({ o: { image, stores } }: Input): Finding | undefined {
  const failed = stores
    .map((store) => ({ node: store.metadata.name, image: storedImage(store, image) }))
    .find((it) => it.image?.state === 'Failed');
  if (!failed) return undefined;
  const message = `No node could store the image yet. ${failed.node}: ${failed.image?.message ?? ''}`;
  return { status: 'False', reason: failed.image?.reason ?? 'Failed', message };
}

function distributing({ desired }: Input): Finding {
  const message = `${desired} nodes should have it; the first is fetching it`;
  return { status: 'False', reason: 'Distributing', message };
}

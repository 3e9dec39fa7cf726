import type { ExistingContainers, RolloutStatus } from '../../../api/rollout.ts';
import { imageObjectName, parseReference } from '../../../api/images.ts';
import { usableImage } from '../../../pod/usable-image.ts';
import { isEmptySelector } from '../../../api/kubernetes/selectors.ts';
import { annotations } from '../../../api/names.ts';
import { defaultDistribution } from '../../default-version.ts';
import { condemnation } from '../../images.ts';
import { compareImages } from '../../versions.ts';
import { countsOf, fleetOf } from './fleet.ts';
import type { Followers } from './fleet.ts';
import { haltForFailures, stayHalted } from './halt.ts';
import type { Observed, RolloutPlan, Decision } from './observed.ts';
import { startOf } from './stuck.ts';
import { advance } from './waves.ts';
import { firstHit } from '../../../runtime/rules.ts';

/**
 * The whole policy of a rollout, over all containers that follow the default version and are selected; undefined when the
 * distribution moves none. Level-based: it may be called in any state, also one that a crash left behind.
 */
export function planRollout(o: Observed): RolloutPlan | undefined {
  const spec = o.distribution.spec.activate.existingContainers;
  if (!spec) return undefined;
  const rollout = o.distribution.status?.rollout;
  const fleet = fleetOf(o, rollout, tokenOf(o, spec));
  const decision = decide({ o, spec, fleet, rollout });
  return {
    queries: decision.queries ?? [],
    assign: decision.assign ?? [],
    ...(decision.condemn !== undefined && { condemn: decision.condemn }),
    counts: countsOf(fleet),
    rollout: 'rollout' in decision ? decision.rollout : rollout,
    reason: decision.reason,
    message: decision.message,
    ...(decision.requeueTime && { requeueTime: decision.requeueTime }),
  };
}

/** A halted rollout keeps the token that it ran with, so that what failed has still failed. */
function tokenOf({ distribution }: Observed, spec: ExistingContainers): string {
  const rollout = distribution.status?.rollout;
  const halted = rollout?.image === distribution.spec.image && rollout.haltTime !== undefined;
  return halted ? (rollout.retryToken ?? '') : spec.retryToken;
}

interface PlanInput {
  o: Observed;
  spec: ExistingContainers;
  fleet: Followers;
  rollout: RolloutStatus | undefined;
}
type Rule = (c: PlanInput) => Decision | undefined;

/** An earlier version took it for all containers; it may be what pruning has left of a map of labels. */
const emptySelector: Rule = ({ spec }) => {
  if (!isEmptySelector(spec.selector)) return undefined;
  const field = 'spec.activate.existingContainers.selector';
  const message = `${field} is empty, which selects no container: name labels in it, or remove it to move all that follow the default version`;
  return { reason: 'EmptySelector', message };
};

const imageNotReady: Rule = ({ o }) => {
  const { os, version = '' } = parseReference(o.distribution.spec.image);
  const image = o.find(os, version);
  if (image && usableImage(image)) return undefined;
  const name = imageObjectName({ os, version });
  return { reason: 'ImageNotReady', message: `No container is moved before OSImage ${name} is Ready` };
};

/** Unless a version above it is the default: then it is for that distribution to move containers, also back. */
const halted: Rule = ({ o, spec, fleet, rollout }) => {
  if (rollout?.image !== o.distribution.spec.image || rollout.haltTime === undefined) return undefined;
  return isOvertaken(o) ? undefined : stayHalted({ observed: o, spec, rollout }, fleet);
};

/** The evidence was written, and then a crash or a lost race kept the status from telling of it. */
const haltNotRecorded: Rule = ({ o, spec, fleet, rollout }) => {
  if (rollout?.image !== o.distribution.spec.image || isOvertaken(o)) return undefined;
  const { os, version = '' } = parseReference(rollout.image);
  if (condemnation(o.find(os, version)) === undefined) return undefined;
  return haltForFailures({ observed: o, spec, rollout }, fleet);
};

/** The default version is one above, of another distribution. */
function isOvertaken(o: Observed): boolean {
  const giver = giverOf(o);
  if (!giver || giver.metadata.name === o.distribution.metadata.name) return false;
  return compareImages(giver.status?.activeImage ?? '', o.distribution.spec.image) > 0;
}

/** The distribution that gives the default version of the OS now. */
const giverOf = ({ distribution, distributions }: Observed) =>
  defaultDistribution(parseReference(distribution.spec.image).os, distributions);

const imageCondemned: Rule = ({ o }) => {
  const { os, version = '' } = parseReference(o.distribution.spec.image);
  const evidence = condemnation(o.find(os, version));
  if (evidence === undefined) return undefined;
  const name = imageObjectName({ os, version });
  const message = `No container is moved, because OSImage ${name} is condemned: ${evidence}. Distribute another version, or remove its annotation ${annotations.condemned}`;
  return { reason: 'ImageCondemned', message };
};

const notActivated: Rule = ({ o }) => {
  const { spec, status } = o.distribution;
  if (!spec.activate.newContainers) {
    return {
      reason: 'NotActivated',
      message: 'Only a default version is rolled out: set spec.activate.newContainers to true',
    };
  }
  return status?.activeImage === spec.image
    ? undefined
    : { reason: 'NotActivated', message: 'No container is moved before it is the default version: see Activated' };
};

/** Of several distributions of an OS only the one that gives the default version moves containers. */
const superseded: Rule = ({ o }) => {
  const { os } = parseReference(o.distribution.spec.image);
  const giver = giverOf(o);
  if (!giver || giver.metadata.name === o.distribution.metadata.name) return undefined;
  const message = `ImageDistribution ${giver.metadata.name} gives the default version of ${os}, ${giver.status?.activeImage ?? ''}; this one moves no container`;
  return { reason: 'Superseded', message };
};

/**
 * When a version is condemned, the default goes back to one below; those who run it well are not taken off it for that. It is
 * so until the halted distribution begins another rollout.
 */
const otherHalted: Rule = ({ o }) => {
  const { os } = parseReference(o.distribution.spec.image);
  const holder = o.distributions.find(
    ({ metadata, spec, status }) =>
      metadata.name !== o.distribution.metadata.name &&
      metadata.deletionTimestamp === undefined &&
      spec.activate.existingContainers !== undefined &&
      parseReference(spec.image).os === os &&
      status?.rollout?.haltTime !== undefined &&
      compareImages(status.rollout.image, o.distribution.spec.image) > 0,
  );
  if (!holder) return undefined;
  const { name } = holder.metadata;
  const message = `No container is moved while the rollout of ImageDistribution ${name} is halted: fix it, change its image, or delete it`;
  return { reason: 'OtherHalted', message };
};

/** It begins by being written down: by its start time those that it moved are known. */
const notStarted: Rule = ({ o, spec, fleet, rollout }) => {
  if (rollout?.image === o.distribution.spec.image) return undefined;
  if (!o.distributed) {
    return { reason: 'NotDistributed', message: 'No container is moved before all selected nodes have it' };
  }
  const begun = {
    image: o.distribution.spec.image,
    startTime: startOf(o.now, fleet),
    wave: 0,
    retryToken: spec.retryToken,
  };
  return { rollout: begun, reason: 'RollingOut', message: 'The rollout begins' };
};

const inProgress: Rule = ({ o, spec, fleet, rollout }) => {
  if (!rollout) return undefined;
  const input = { observed: o, spec, rollout: { ...rollout, retryToken: spec.retryToken } };
  return haltForFailures(input, fleet) ?? advance(input, fleet);
};

/** First hit wins. */
const rules: readonly Rule[] = [
  emptySelector,
  imageNotReady,
  halted,
  haltNotRecorded,
  imageCondemned,
  notActivated,
  superseded,
  otherHalted,
  notStarted,
  inProgress,
];

function decide(input: PlanInput): Decision {
  return firstHit(rules, input) ?? { reason: 'NotActivated', message: 'There is no rollout' };
}

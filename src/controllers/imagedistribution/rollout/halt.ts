import type { RolloutStatus } from '../../../api/rollout.ts';
import { annotations } from '../../../api/names.ts';
import { imageObjectName, parseReference } from '../../../api/images.ts';
import { formatTime } from '../../../runtime/time.ts';
import { condemnation } from '../../images.ts';
import { earlierImage, evidenceOf } from './fleet.ts';
import type { Followers } from './fleet.ts';
import type { Observed, Input, Decision } from './observed.ts';
import { alreadyUnavailable, withinBudget, budgetOf } from './budget.ts';
import { withoutSoak } from './soak.ts';
import { startOf } from './stuck.ts';
import { truncate } from '../../../runtime/text.ts';

const evidenceLimit = 1000;

/** More than `maxFailures` containers failed with the image, which were well before: condemn it and stop the rollout. */
export function haltForFailures({ observed, spec, rollout }: Input, fleet: Followers): Decision | undefined {
  const reverted = evidenceOf(fleet);
  const example = reverted[0];
  if (!example || reverted.length <= spec.maxFailures) return undefined;
  const count = `${reverted.length} of ${fleet.all.length} containers failed with ${fleet.image} and went back`;
  const { reason = '', message = '' } = example.failure ?? {};
  const evidence = truncate(`${count}, such as ${example.name}: ${reason}: ${message}`, evidenceLimit);
  const decision = halted(observed, rollout, 'TooManyFailures', evidence);
  // Once: a person may lift it, or may have written something better there.
  if (condemnation(imageOf(observed)) !== undefined) return decision;
  const by = `the rollout of ImageDistribution ${observed.distribution.metadata.name}`;
  return { ...decision, condemn: `${formatTime(observed.now)} by ${by}: ${evidence}` };
}

/**
 * A gate failed more often in a soak than is tolerated. The image is not condemned for that: containers run it well, and what a
 * gate asks about may have other causes.
 */
export const haltForGate = (
  observed: Observed,
  rollout: RolloutStatus,
  gate: { name: string; failures: number; message?: string | undefined },
): Decision =>
  halted(
    observed,
    rollout,
    'GateFailed',
    truncate(`Gate ${gate.name} failed ${times(gate.failures)}, last: ${gate.message ?? ''}`, evidenceLimit),
  );

function halted(observed: Observed, rollout: RolloutStatus, haltReason: string, haltMessage: string): Decision {
  const { completionTime: _done, soakStartTime: _soak, ...rest } = rollout;
  const next = { ...rest, haltTime: observed.now.toISOString(), haltReason, haltMessage };
  return { rollout: next, reason: 'RolloutHalted', message: haltText(observed, next) };
}

/** A halted rollout moves no one on. It goes on when the image is not condemned (any more) and the retry token was changed. */
export function stayHalted(input: Input, fleet: Followers): Decision {
  const { observed, spec, rollout } = input;
  const isLifted = condemnation(imageOf(observed)) === undefined;
  if (isLifted && spec.retryToken !== (rollout.retryToken ?? '')) {
    const { haltTime: _time, haltReason: _reason, haltMessage: _message, ...rest } = withoutSoak(rollout);
    const next = { ...rest, startTime: startOf(observed.now, fleet), wave: 0, retryToken: spec.retryToken };
    return { rollout: next, reason: 'RollingOut', message: 'It goes on, with canaries first' };
  }
  const assign = spec.onHalt === 'RevertAll' && !spec.paused ? takeBack(input, fleet) : [];
  return { rollout, assign, reason: 'RolloutHalted', message: haltText(observed, rollout) };
}

/**
 * Those that run the image well go back to what they ran before, with no more unavailable at once than else. One that is on
 * its way is let arrive, or fail: what has become of its Pod is known to no one here.
 */
function takeBack({ observed, spec, rollout }: Input, fleet: Followers): NonNullable<Decision['assign']> {
  const retryToken = rollout.retryToken ?? '';
  const ways = new Map(
    fleet.all
      .filter(({ state }) => state === 'Updated')
      .map((it) => [it, earlierImage(observed, it, fleet.image, retryToken)] as const)
      .filter(([, image]) => image !== undefined),
  );
  const budget = budgetOf(fleet, spec.maxUnavailable);
  const awake = [...ways.keys()].filter(({ suspended }) => !suspended);
  const fit = withinBudget(awake, budget);
  const chosen = fit.length > 0 ? fit : alreadyUnavailable(awake, fleet, budget);
  return [...chosen, ...[...ways.keys()].filter(({ suspended }) => suspended)].map((it) => ({
    container: it.container,
    image: ways.get(it) ?? '',
    time: observed.now.toISOString(),
    retryToken,
  }));
}

function haltText(observed: Observed, rollout: RolloutStatus): string {
  const { haltTime, haltReason = '', haltMessage = '' } = rollout;
  const { os, version = '' } = parseReference(rollout.image);
  const since = formatTime(new Date(haltTime ?? observed.now));
  const token = 'spec.activate.existingContainers.retryToken';
  const lift = `remove the annotation ${annotations.condemned} of OSImage ${imageObjectName({ os, version })}, then change ${token}`;
  // The annotation is written before the status that tells of it for the first time.
  const isNew = rollout !== observed.distribution.status?.rollout && haltReason === 'TooManyFailures';
  const how = isNew || condemnation(imageOf(observed)) !== undefined ? lift : `change ${token}`;
  return `Halted at ${since}: ${haltReason}: ${haltMessage}. No further container is moved. To go on when the cause is fixed, ${how}; or distribute another version`;
}

const imageOf = ({ distribution, find }: Observed) => {
  const { os, version = '' } = parseReference(distribution.spec.image);
  return find(os, version);
};
const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import { isSuspended, whySuspended } from '../../pod/suspended.ts';
import type { ConditionRule, Finding } from '../../runtime/condition-table.ts';
import { interruptionText } from '../interruption.ts';
import { interruptionOf } from './attempt.ts';
import { findFailed, newest } from './history.ts';
import type { Input } from './input.ts';
import { lastKnownGood } from './last-known-good.ts';
import type { Reason } from './reasons.ts';
import { isFollower, matchesTarget } from './target.ts';

/** The states of Upgraded: whether the container is on the image that it should run. */

type Rule = ConditionRule<Input, Reason>;

const state = (status: 'True' | 'False' | 'Unknown', reason: Reason, message: string): Finding<Reason> => ({
  status,
  reason,
  message,
});

export const notRunning: Rule = ({ observed: { container } }) =>
  isSuspended(container) ? state('Unknown', 'Suspended', whySuspended(container)) : undefined;

export const imageNotResolved: Rule = ({ target: { image, resolution } }) =>
  !image || resolution.status === 'False' ? state('Unknown', 'ImageNotResolved', resolution.message) : undefined;

/** The image that runs, and why what is asked for is not what runs. */
function blockedBy({ target: { image, blockedBy } }: Input): { good: string; how: string } | undefined {
  if (!image || !blockedBy) return undefined;
  const { image: failed, attempts, reason, message } = blockedBy;
  return { good: imageName(image), how: `${failed} failed (${tries(attempts)}). ${reason}: ${message}` };
}

export const held: Rule = (input) => {
  const blocked = blockedBy(input);
  const { observed } = input;
  if (!blocked || observed.container.spec.upgrade.onFailure !== 'Hold' || isFollower(observed)) return undefined;
  const message = `${blocked.good} is held, because ${blocked.how}. Change spec.image, or upgrade.retryToken to try again`;
  return state('False', 'Held', message);
};

export const failedBefore: Rule = (input) => {
  const blocked = blockedBy(input);
  const { observed, status } = input;
  if (!blocked || newest(status)?.outcome !== 'Reverted' || isFollower(observed)) return undefined;
  const message = `${blocked.good} keeps running, because ${blocked.how}${notWritten(status)}. Change spec.image, or upgrade.retryToken to try again`;
  return state('False', 'FailedBefore', message);
};

export const goingBack: Rule = (input) => {
  const blocked = blockedBy(input);
  return blocked && state('False', 'Reverted', `Going back to ${blocked.good}, because ${blocked.how}`);
};

export const failedWithoutWayBack: Rule = (input) => {
  const failure = input.target.failedWithoutWayBack;
  if (!failure) return undefined;
  const { image, attempts, reason, message } = failure;
  const text = `${image} failed (${tries(attempts)}): ${reason}: ${message}. ${noWayBack(input)}. Change spec.image, or upgrade.retryToken to try again`;
  return state('False', 'Failed', text);
};

export const reverted: Rule = (input) => {
  const failure = revertedFrom(input);
  if (!failure) return undefined;
  const message = `Went back from ${failure.image} to ${targetName(input)}. ${failure.reason}: ${failure.message}`;
  return state('False', 'Reverted', message);
};

export const upToDate: Rule = (input) =>
  isThere(input) ? state('True', 'UpToDate', `${targetName(input)} is what is asked for`) : undefined;

export const blocked: Rule = ({ blocker }) => blocker && state('Unknown', blocker.reason, blocker.message);

export const restarting: Rule = (input) =>
  input.target.isAttempt
    ? undefined
    : state('Unknown', 'InProgress', `Restarting ${targetName(input)} because its specification changed`);

export const going: Rule = (input) => {
  const interruption = interruptionOf(input.status, input.target);
  const before = interruption ? `. ${interruptionText(interruption)}` : '';
  return state('Unknown', 'InProgress', `Going to ${targetName(input)}${before}`);
};

const targetName = ({ target: { image } }: Input): string => (image ? imageName(image) : '');

/** Why there is nothing to go back to. */
function noWayBack({ status }: Input): string {
  const good = lastKnownGood(status);
  if (!good) return 'It has no last known good version to go back to';
  const bytes = good.digest === undefined ? '' : ` (${good.digest.slice(0, 19)}…)`;
  return `${good.image}${bytes} ran well, but no OSImage has these bytes any more: publish them again to go back`;
}

/** The failure that the last attempt was reverted for, until somebody has answered it. */
function revertedFrom({ target, status }: Input) {
  const last = newest(status);
  if (target.isAttempt || last?.outcome !== 'Reverted' || last.held === true) return undefined;
  // Its name means the bytes that ran well again: somebody has seen to it.
  if (target.image && last.image === imageName(target.image)) return undefined;
  return findFailed(status, last);
}

/** The good image is asked for, and no Pod or container of another is left: whoever waits for a change must not learn of it too early. */
const isThere = ({ target, observed: { pod, isRestarting } }: Input): boolean =>
  !target.isAttempt && !isRestarting && (pod === undefined || matchesTarget(pod, target));

/** That spec could not be written back, if that is so. */
function notWritten(status: HostedContainerStatus): string {
  const message = newest(status)?.message;
  return message === undefined ? '' : `. ${message}`;
}

const tries = (attempts: number): string => (attempts === 1 ? 'tried once' : `tried ${attempts} times`);

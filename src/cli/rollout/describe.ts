import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import { formatTime } from '../../runtime/time.ts';
import { duration, printable, span } from '../terminal.ts';

/** Where a distribution stands: only `Waiting` goes on by itself. */
export type Standing = 'Done' | 'Halted' | 'Stalled' | 'Waiting';

export interface RolloutProgress {
  standing: Standing;
  /** How far the nodes are, such as `3 of 3 nodes have it`. */
  nodes: string;
  /** How far the containers are; undefined when none are moved. */
  containers?: string;
  /** The wave, its soak, its gates. */
  wave?: string;
  /** What it waits for, or why it stopped, as its conditions tell. */
  why?: string;
}

/** Tells how far a distribution is, out of its spec and status alone. */
export function describeProgress(distribution: ImageDistribution, now: Date): RolloutProgress {
  const { spec, status } = distribution;
  const standing = standingOf(distribution);
  const { ready = 0, desired = 0, failed = 0, unreachable = 0 } = status?.nodes ?? {};
  const troubles = [...(failed > 0 ? [`${failed} failed`] : []), ...(unreachable > 0 ? [`${unreachable} silent`] : [])];
  const progress: RolloutProgress = {
    standing,
    nodes: [`${ready} of ${desired} nodes have it`, ...troubles].join(', '),
  };
  const counts = status?.containers;
  if (counts && spec.activate.existingContainers) {
    progress.containers = [
      `${counts.updated} of ${counts.following} containers updated`,
      `${counts.updating} updating`,
      `${counts.reverted} reverted`,
      `${counts.unavailable} unavailable`,
    ].join(', ');
  }
  const wave = standing === 'Waiting' ? describeWave(distribution, now) : undefined;
  if (wave !== undefined) progress.wave = wave;
  const why = whyNot(distribution, standing);
  if (why !== undefined) progress.why = why;
  return progress;
}

/** It is as a person wants it, and something is still to be done. */
const wanted = ['Paused', 'OutsideWindow'];

function standingOf(distribution: ImageDistribution): Standing {
  const { status } = distribution;
  if (isOutdated(distribution)) return 'Waiting';
  if (isTrue(status?.conditions, 'RolloutHalted')) return 'Halted';
  if (isTrue(status?.conditions, 'Stalled')) return 'Stalled';
  const ready = findCondition(status?.conditions, 'Ready');
  return ready?.status === 'True' && !wanted.includes(ready.reason) ? 'Done' : 'Waiting';
}

function describeWave({ spec, status }: ImageDistribution, now: Date): string | undefined {
  const [rollout, asked] = [status?.rollout, spec.activate.existingContainers];
  if (!rollout || !asked || rollout.completionTime !== undefined) return undefined;
  const name = rollout.wave === 0 ? 'canaries' : `wave ${rollout.wave}`;
  const failing = (rollout.gates ?? []).filter(({ holds }) => !holds);
  const gates = failing.map(
    (gate) => `gate ${gate.name} does not hold${gate.message ? `: ${printable(gate.message)}` : ''}`,
  );
  const soaks = soak(rollout.soakStartTime, soakSeconds(asked, rollout.wave), now);
  return [name, ...soaks, ...gates, ...forecast(rollout.estimatedCompletionTime, now)].join(', ');
}

const soakSeconds = (asked: { canary: { soakSeconds: number }; waveSoakSeconds: number }, wave: number) =>
  wave === 0 ? asked.canary.soakSeconds : asked.waveSoakSeconds;

function soak(start: string | undefined, seconds: number, now: Date): string[] {
  if (start === undefined || seconds === 0) return [];
  const end = Date.parse(start) + seconds * 1000;
  const left = (end - now.getTime()) / 1000;
  if (left <= 0) return ['soak is over'];
  return [`soaks until ${clock(end)} (${duration(Math.ceil(left))} left)`];
}

function forecast(end: string | undefined, now: Date): string[] {
  if (end === undefined) return [];
  const left = (Date.parse(end) - now.getTime()) / 1000;
  const time = formatTime(new Date(end));
  return left > 0 ? [`expected to end at ${time} (in ${span(left)})`] : [`late: it was expected to end at ${time}`];
}

const clock = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(11, 19)}Z`;

function whyNot(distribution: ImageDistribution, standing: Standing): string | undefined {
  const { spec, status } = distribution;
  if (standing === 'Done') return undefined;
  if (isOutdated(distribution)) return 'the operator has not seen the last change yet';
  if (standing === 'Halted') return said(findCondition(status?.conditions, 'RolloutHalted'));
  const told = said(findCondition(status?.conditions, standing === 'Stalled' ? 'Stalled' : 'Ready'));
  if (spec.activate.existingContainers?.paused !== true || told?.includes('paused') === true) return told;
  return ['paused', told].filter((part) => part !== undefined).join('; ');
}

/** What was said of an earlier spec tells nothing about this one. */
const isOutdated = ({ metadata, status }: ImageDistribution) =>
  (status?.observedGeneration ?? 0) < (metadata.generation ?? 0);

const said = (condition: Condition | undefined) => condition && printable(condition.message || condition.reason);

/** The whole report, in lines. */
export const inLines = ({ nodes, containers, wave, why }: RolloutProgress): string[] =>
  [nodes, containers, wave, containers === undefined ? why : withoutCounts(why)].filter((part) => part !== undefined);

export const inOneLine = (progress: RolloutProgress): string => inLines(progress).join('; ');

/** The message of a rollout begins with counts, which are here already. */
const withoutCounts = (why: string | undefined) => why?.replace(/^\d+ of \d+ [^;]*; (?=next: |paused)/, '');

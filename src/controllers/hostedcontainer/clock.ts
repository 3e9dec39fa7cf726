import type { Attempt } from '../../api/hostedcontainer.ts';
import { silenceSeconds } from '../pod-end.ts';

/** Seconds since a time of this operator, or of the one that led before; never negative. */
export const secondsSince = (time: string | undefined, now: Date): number =>
  time === undefined ? 0 : Math.max(0, (now.getTime() - Date.parse(time)) / 1000);

/** How long a container of the attempt could run so far, in seconds. */
export const elapsedSeconds = (attempt: Attempt, now: Date): number =>
  (attempt.elapsedSeconds ?? 0) + secondsSince(attempt.runningSince, now);

/** The container began to run under an earlier leader: no one has watched it between the two. */
export const ranBefore = ({ runningSince }: Attempt, leadingSince: Date | undefined): leadingSince is Date =>
  runningSince !== undefined && leadingSince !== undefined && Date.parse(runningSince) < leadingSince.getTime();

/**
 * The same, when a run of the container ends or cannot be followed any more. Of a run that began under an earlier leader only that
 * counts which this operator has watched. And where the node is found not to answer, the last seconds do not count, for which it
 * may have been dead before Kubernetes said so: no one knows what the container did then.
 */
export function elapsedAtEnd(
  attempt: Attempt,
  { nodeAnswers, leadingSince, now }: { nodeAnswers: boolean; leadingSince?: Date | undefined; now: Date },
): number {
  const since = ranBefore(attempt, leadingSince) ? leadingSince.toISOString() : attempt.runningSince;
  return (attempt.elapsedSeconds ?? 0) + Math.max(0, secondsSince(since, now) - (nodeAnswers ? 0 : silenceSeconds));
}

/** Times that are still to come are of an earlier leader whose clock was ahead: they are taken for now, or all would wait for them. */
export function notAfter(attempt: Attempt, now: Date): Attempt {
  const late = (['runningSince', 'waitingSince', 'readySince'] as const).filter(
    (name) => Date.parse(attempt[name] ?? '') > now.getTime(),
  );
  return late.length === 0
    ? attempt
    : { ...attempt, ...Object.fromEntries(late.map((name) => [name, now.toISOString()])) };
}

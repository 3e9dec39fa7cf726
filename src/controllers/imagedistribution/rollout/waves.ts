import type { RolloutStatus } from '../../../api/rollout.ts';
import { formatTime } from '../../../runtime/time.ts';
import { evidenceOf, revertedOf } from './fleet.ts';
import type { Followers, Follower } from './fleet.ts';
import { haltForGate } from './halt.ts';
import type { Assignment, Input, Decision } from './observed.ts';
import { amount, alreadyUnavailable, withinBudget, budgetOf } from './budget.ts';
import type { DisruptionBudget } from './budget.ts';
import { soak, withoutSoak } from './soak.ts';
import { giveBackTime, givenBack, hopelessTime, isBlocked, retryTime, timeOf } from './stuck.ts';
import { example, progress } from './progress.ts';

/** Moves those whose turn it is: canaries, a soak, then as many at a time as may be unavailable. */
export function advance(input: Input, fleet: Followers): Decision {
  const back = givenBack(input, fleet);
  if (back.length > 0) return giveBack(input, fleet, back);
  const { rollout, observed } = input;
  const waiting = fleet.all.filter(({ state }) => state === 'Waiting');
  const moving = fleet.awake.filter(isOnTheWay);
  const blocked = fleet.awake.filter(({ state }) => state === 'Blocked');
  const now = observed.now.getTime();
  // They come after all others.
  const retried = waiting.length > 0 ? [] : blocked.filter((it) => retryTime(it, rollout) <= now);
  const budget = budgetOf(fleet, input.spec.maxUnavailable);
  const wave: WaveInput = { ...input, fleet, waiting: [...waiting, ...retried], moving, blocked, budget };
  if (rollout.completionTime !== undefined && waiting.length + moving.length + blocked.length === 0)
    return complete(wave);
  const decision = rollout.wave === 0 ? canaries(wave) : laterWaves(wave);
  if (decision.reason === 'RolledOut' || decision.reason === 'RolloutHalted') return decision;
  // What it else waits for matters to no one then.
  if (input.spec.paused) return { ...decision, ...stop(wave) };
  const result = stuckOr(wave, decision);
  return { ...result, ...soonest(result, nextOf(moving.map(giveBackTime), observed.now)) };
}

interface WaveInput extends Input {
  fleet: Followers;
  waiting: readonly Follower[];
  moving: readonly Follower[];
  /** Those that could not take the image, and have their earlier version again. */
  blocked: readonly Follower[];
  budget: DisruptionBudget;
}

function giveBack(input: Input, fleet: Followers, back: readonly Assignment[]): Decision {
  const { namespace = '', name } = back[0]?.container.metadata ?? { name: '' };
  const message = `${progress(fleet, input.rollout.image)}; next: ${namespace}/${name} cannot take it and gets its earlier version back until it is tried again`;
  return { rollout: withoutSoak(input.rollout), assign: back, reason: 'RollingOut', message };
}

/** The decision as it is, unless only a person can help: nothing is left but containers that cannot take the image. */
function stuckOr(input: WaveInput, decision: Decision): Decision {
  const { observed, blocked, moving, waiting, fleet } = input;
  const { blockedTime, ...rollout } = decision.rollout ?? input.rollout;
  const retried = waiting.filter(({ state }) => state === 'Blocked');
  const rest = [...blocked, ...moving];
  if (waiting.length > retried.length || !isBlocked(rest, { ...rollout, blockedTime })) return { ...decision, rollout };
  const example = blocked[0] ?? moving[0];
  const next = nextOf(
    blocked.map((it) => retryTime(it, rollout)),
    observed.now,
  );
  const message = `${progress(fleet, rollout.image)}; ${rest.length} cannot take it, such as ${example?.name ?? ''}: see its condition Upgraded while it is tried again${Number.isFinite(next) ? `, at ${formatTime(new Date(next))}` : ''}; correct it, or suspend it`;
  return {
    ...decision,
    rollout: { ...rollout, blockedTime: blockedTime ?? observed.now.toISOString() },
    reason: 'ContainersStuck',
    message,
    ...soonest(decision, next),
  };
}

/**
 * Those that fail are replaced by the next, but only when the others have told how it goes with them: so many must run it well,
 * unless too many fail, and a bad version should meet as few as can be.
 */
function canaries(input: WaveInput): Decision {
  const { spec, fleet, budget, rollout } = input;
  const moved = fleet.awake.filter(isMoved);
  const candidates = input.waiting.filter(({ suspended }) => !suspended);
  const count = amount(spec.canary.count, fleet.awake.length, Math.ceil);
  const wanted = Math.min(count, moved.length + candidates.length);
  if (wanted === 0 && input.blocked.length > 0) return { rollout, ...going(input, 'tries again') };
  if (wanted === 0) return laterWaves({ ...input, rollout: { ...rollout, wave: 1 } });
  const missing = wanted - moved.length;
  const onTheWay = moved.filter(isOnTheWay);
  if (missing > 0 && onTheWay.length > 0 && evidenceOf(fleet).length > 0) {
    return { rollout: withoutSoak(rollout), ...waitFor(input, 'waits for the other canaries', onTheWay) };
  }
  if (missing > 0) {
    // Who was well before says most about the image.
    const steadyFirst = [...candidates.filter(({ steady }) => steady), ...candidates.filter(({ steady }) => !steady)];
    const next = placesFor(steadyFirst, fleet, budget).slice(0, missing);
    return move({ ...input, rollout: withoutSoak(rollout) }, next, candidates);
  }
  return settleThenSoak(input, moved, spec.canary.soakSeconds, 'the canaries');
}

function laterWaves(input: WaveInput): Decision {
  const { spec, fleet, rollout } = input;
  const wave = fleet.awake.filter((it) => isMoved(it) && isOfWave(it, rollout));
  if (spec.waveSoakSeconds > 0 && wave.length > 0) {
    return settleThenSoak(input, wave, spec.waveSoakSeconds, `wave ${rollout.wave}`);
  }
  return nextWave(input, rollout);
}

/** Those of earlier waves have soaked: what comes over them later stops no other. */
const isOfWave = ({ container: { status } }: Follower, { waveStartTime, startTime }: RolloutStatus): boolean =>
  (status?.assignedTime ?? '') >= (waveStartTime ?? startTime);

/** Waits until all of the wave run well, and have for so long; then the next wave goes. */
function settleThenSoak(input: WaveInput, moved: readonly Follower[], seconds: number, who: string): Decision {
  const { observed, rollout } = input;
  const unsettled = moved.filter(({ state, available }) => state !== 'Updated' || !available);
  if (unsettled.length > 0) {
    return { rollout: withoutSoak(rollout), ...waitFor(input, `waits for ${who} to run well`, unsettled) };
  }
  const state = soak(input, seconds);
  if (state.failed) return haltForGate(observed, state.rollout, state.failed);
  if (state.due.length > 0) return { queries: state.due, ...going(input, 'the gates are being asked') };
  if (state.over) return nextWave(input, state.rollout);
  return {
    rollout: state.rollout,
    ...going(input, `${who} run it well: ${state.waitsFor}`),
    ...(state.requeueTime && { requeueTime: state.requeueTime }),
  };
}

/** As many as the budget allows now. Waves without a soak are all one: places are filled as they get free. */
function nextWave(input: WaveInput, rollout: RolloutStatus): Decision {
  const { spec, fleet, budget, waiting, moving, blocked, observed } = input;
  if (waiting.length === 0) {
    if (moving.length > 0) return settle(input);
    return blocked.length > 0 ? { rollout, ...going(input, 'tries again') } : complete({ ...input, rollout });
  }
  const awake = waiting.filter(({ suspended }) => !suspended);
  const next = [...placesFor(awake, fleet, budget), ...waiting.filter(({ suspended }) => suspended)];
  if (next.length === 0 || stop(input) !== undefined) return move({ ...input, rollout }, next, awake);
  const isNew = spec.waveSoakSeconds > 0 || rollout.wave === 0;
  const wave = { wave: rollout.wave + 1, waveStartTime: timeOf(observed.now, rollout) };
  const begun = isNew ? { ...withoutSoak(rollout), ...wave } : rollout;
  return move({ ...input, rollout: begun }, next, awake);
}

/** Those that fit, or else those that are down anyway. */
function placesFor(candidates: readonly Follower[], fleet: Followers, budget: DisruptionBudget): Follower[] {
  const fit = withinBudget(candidates, budget);
  return fit.length > 0 ? fit : alreadyUnavailable(candidates, fleet, budget);
}

/** Moves these, unless no one may be moved now. */
function move(input: WaveInput, next: readonly Follower[], candidates: readonly Follower[]): Decision {
  const { observed, spec } = input;
  const { completionTime: _done, ...rollout } = input.rollout;
  const stopped = stop(input);
  if (stopped) return { rollout, ...stopped };
  if (next.length === 0) return { rollout, ...budgetUsedUp(input, candidates) };
  const time = timeOf(observed.now, rollout);
  const { image } = rollout;
  const { retryToken } = spec;
  const assign = next.map(({ container, steady }) => ({
    container,
    image,
    time,
    retryToken,
    whileUnavailable: !steady,
  }));
  const names = next.length === 1 ? (next[0]?.name ?? '') : `${next.length} containers from ${next[0]?.name ?? ''} on`;
  return { rollout, assign, ...going(input, names) };
}

/** Why no one may be moved now, whoever it would be. */
function stop({
  observed,
  spec,
  fleet,
  rollout,
}: WaveInput): Pick<Decision, 'reason' | 'message' | 'requeueTime'> | undefined {
  const done = progress(fleet, rollout.image);
  if (spec.paused) {
    return { reason: 'Paused', message: `${done}; paused by spec.activate.existingContainers.paused` };
  }
  const { open, changeTime, problem } = observed.window;
  if (open) return undefined;
  if (problem !== undefined && !changeTime) return { reason: 'InvalidWindow', message: `${done}; next: ${problem}` };
  const opens = changeTime ? `when a window opens at ${formatTime(changeTime)}` : 'when a window opens';
  return {
    reason: 'OutsideWindow',
    message: `${done}; next: ${opens}`,
    ...(changeTime && { requeueTime: changeTime }),
  };
}

function settle(input: WaveInput): Decision {
  const { completionTime: _done, ...rollout } = input.rollout;
  return { rollout, ...waitFor(input, 'waits for the last to run well', input.moving) };
}

function complete({ observed, fleet, rollout }: WaveInput): Decision {
  const completionTime = rollout.completionTime ?? observed.now.toISOString();
  const back = revertedOf(fleet);
  const rest = back.length > 0 ? ` because they failed with it, such as ${back[0]?.name ?? ''}` : '';
  const message = `${progress(fleet, rollout.image)}${rest}`;
  const { blockedTime: _blocked, ...done } = rollout;
  return { rollout: { ...done, completionTime }, reason: 'RolledOut', message };
}

const isOnTheWay = ({ state }: Follower): boolean => state === 'Moving' || state === 'Leaving';
const isMoved = ({ moved, state }: Follower): boolean => moved && (state === 'Moving' || state === 'Updated');

const going = ({ fleet, rollout }: WaveInput, next: string): Pick<Decision, 'reason' | 'message'> => ({
  reason: 'RollingOut',
  message: `${progress(fleet, rollout.image)}; next: ${next}`,
});

function budgetUsedUp(
  input: WaveInput,
  candidates: readonly Follower[],
): Pick<Decision, 'reason' | 'message' | 'requeueTime'> {
  const { down, most } = input.budget;
  const first = candidates[0]?.name ?? '';
  const used = `maxUnavailable ${input.spec.maxUnavailable} (${most}) is used up by ${down.length} that are unavailable, such as`;
  return waitFor(input, `${first}, when there is room: ${used}`, down);
}

/** Waits for these, until they have been down for so long that only a person can help. */
function waitFor(
  input: WaveInput,
  what: string,
  these: readonly Follower[],
): Pick<Decision, 'reason' | 'message' | 'requeueTime'> {
  const { observed } = input;
  const separator = what.endsWith('such as') ? '' : ':';
  const text = `${what}${separator} ${example(these)}`;
  const hopeless = Math.max(...these.map(hopelessTime));
  if (hopeless > observed.now.getTime()) return { ...going(input, text), requeueTime: new Date(hopeless) };
  return { reason: 'ContainersStuck', message: `${going(input, text).message}, for long: repair it, or suspend it` };
}

/** The first of these times that is still to come. */
const nextOf = (times: readonly number[], now: Date): number => Math.min(...times.filter((it) => it > now.getTime()));

const soonest = ({ requeueTime }: Decision, other: number): Pick<Decision, 'requeueTime'> => {
  const time = Math.min(requeueTime?.getTime() ?? Infinity, other);
  return Number.isFinite(time) ? { requeueTime: new Date(time) } : {};
};

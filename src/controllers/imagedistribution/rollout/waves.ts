import type { RolloutStatus } from '../../../api/rollout.ts';
import { formatTime } from '../../../runtime/time.ts';
import { evidenceOf, revertedOf } from './fleet.ts';
import type { Fleet, Follower } from './fleet.ts';
import { haltForGate } from './halt.ts';
import type { Assignment, Situation, Step } from './observed.ts';
import { amount, downAnyway, fitting, roomOf } from './budget.ts';
import type { Room } from './budget.ts';
import { soak, withoutSoak } from './soak.ts';
import { giveBackTime, givenBack, hopelessTime, isBlocked, retryTime, timeOf } from './stuck.ts';
import { example, progress } from './progress.ts';

/** Moves those whose turn it is: canaries, a soak, then as many at a time as may be unavailable. */
export function advance(situation: Situation, fleet: Fleet): Step {
  const back = givenBack(situation, fleet);
  if (back.length > 0) return giveBack(situation, fleet, back);
  const { rollout, observed } = situation;
  const waiting = fleet.all.filter(({ state }) => state === 'Waiting');
  const moving = fleet.awake.filter(isOnTheWay);
  const blocked = fleet.awake.filter(({ state }) => state === 'Blocked');
  const now = observed.now.getTime();
  // They come after all others.
  const retried = waiting.length > 0 ? [] : blocked.filter((it) => retryTime(it, rollout) <= now);
  const room = roomOf(fleet, situation.spec.maxUnavailable);
  const turn: Turn = { ...situation, fleet, waiting: [...waiting, ...retried], moving, blocked, room };
  if (rollout.completionTime !== undefined && waiting.length + moving.length + blocked.length === 0)
    return complete(turn);
  const step = rollout.wave === 0 ? canaries(turn) : laterWaves(turn);
  if (step.reason === 'RolledOut' || step.reason === 'RolloutHalted') return step;
  // What it else waits for matters to no one then.
  if (situation.spec.paused) return { ...step, ...stop(turn) };
  const told = stuckOr(turn, step);
  return { ...told, ...soonest(told, nextOf(moving.map(giveBackTime), observed.now)) };
}

interface Turn extends Situation {
  fleet: Fleet;
  waiting: readonly Follower[];
  moving: readonly Follower[];
  /** Those that could not take the image, and have their earlier version again. */
  blocked: readonly Follower[];
  room: Room;
}

function giveBack(situation: Situation, fleet: Fleet, back: readonly Assignment[]): Step {
  const { namespace = '', name } = back[0]?.container.metadata ?? { name: '' };
  const message = `${progress(fleet, situation.rollout.image)}; next: ${namespace}/${name} cannot take it and gets its earlier version back until it is tried again`;
  return { rollout: withoutSoak(situation.rollout), assign: back, reason: 'RollingOut', message };
}

/** The step as it is, unless only a person can help: nothing is left but containers that cannot take the image. */
function stuckOr(turn: Turn, step: Step): Step {
  const { observed, blocked, moving, waiting, fleet } = turn;
  const { blockedTime, ...rollout } = step.rollout ?? turn.rollout;
  const retried = waiting.filter(({ state }) => state === 'Blocked');
  const rest = [...blocked, ...moving];
  if (waiting.length > retried.length || !isBlocked(rest, { ...rollout, blockedTime })) return { ...step, rollout };
  const example = blocked[0] ?? moving[0];
  const next = nextOf(
    blocked.map((it) => retryTime(it, rollout)),
    observed.now,
  );
  const message = `${progress(fleet, rollout.image)}; ${rest.length} cannot take it, such as ${example?.name ?? ''}: see its condition Upgraded while it is tried again${Number.isFinite(next) ? `, at ${formatTime(new Date(next))}` : ''}; correct it, or suspend it`;
  return {
    ...step,
    rollout: { ...rollout, blockedTime: blockedTime ?? observed.now.toISOString() },
    reason: 'ContainersStuck',
    message,
    ...soonest(step, next),
  };
}

/**
 * Those that fail are replaced by the next, but only when the others have told how it goes with them: so many must run it well,
 * unless too many fail, and a bad version should meet as few as can be.
 */
function canaries(turn: Turn): Step {
  const { spec, fleet, room, rollout } = turn;
  const moved = fleet.awake.filter(isMoved);
  const candidates = turn.waiting.filter(({ suspended }) => !suspended);
  const count = amount(spec.canary.count, fleet.awake.length, Math.ceil);
  const wanted = Math.min(count, moved.length + candidates.length);
  if (wanted === 0 && turn.blocked.length > 0) return { rollout, ...going(turn, 'tries again') };
  if (wanted === 0) return laterWaves({ ...turn, rollout: { ...rollout, wave: 1 } });
  const missing = wanted - moved.length;
  const onTheWay = moved.filter(isOnTheWay);
  if (missing > 0 && onTheWay.length > 0 && evidenceOf(fleet).length > 0) {
    return { rollout: withoutSoak(rollout), ...waitFor(turn, 'waits for the other canaries', onTheWay) };
  }
  if (missing > 0) {
    // Who was well before says most about the image.
    const steadyFirst = [...candidates.filter(({ steady }) => steady), ...candidates.filter(({ steady }) => !steady)];
    const next = placesFor(steadyFirst, fleet, room).slice(0, missing);
    return move({ ...turn, rollout: withoutSoak(rollout) }, next, candidates);
  }
  return settleThenSoak(turn, moved, spec.canary.soakSeconds, 'the canaries');
}

function laterWaves(turn: Turn): Step {
  const { spec, fleet, rollout } = turn;
  const wave = fleet.awake.filter((it) => isMoved(it) && isOfWave(it, rollout));
  if (spec.waveSoakSeconds > 0 && wave.length > 0) {
    return settleThenSoak(turn, wave, spec.waveSoakSeconds, `wave ${rollout.wave}`);
  }
  return nextWave(turn, rollout);
}

/** Those of earlier waves have soaked: what comes over them later stops no other. */
const isOfWave = ({ container: { status } }: Follower, { waveStartTime, startTime }: RolloutStatus): boolean =>
  (status?.assignedTime ?? '') >= (waveStartTime ?? startTime);

/** Waits until all of the wave run well, and have for so long; then the next wave goes. */
function settleThenSoak(turn: Turn, moved: readonly Follower[], seconds: number, who: string): Step {
  const { observed, rollout } = turn;
  const unsettled = moved.filter(({ state, available }) => state !== 'Updated' || !available);
  if (unsettled.length > 0) {
    return { rollout: withoutSoak(rollout), ...waitFor(turn, `waits for ${who} to run well`, unsettled) };
  }
  const state = soak(turn, seconds);
  if (state.failed) return haltForGate(observed, state.rollout, state.failed);
  if (state.due.length > 0) return { ask: state.due, ...going(turn, 'the gates are being asked') };
  if (state.over) return nextWave(turn, state.rollout);
  return {
    rollout: state.rollout,
    ...going(turn, `${who} run it well: ${state.waitsFor}`),
    ...(state.lookAgain && { lookAgain: state.lookAgain }),
  };
}

/** As many as there is room for now. Waves without a soak are all one: places are filled as they get free. */
function nextWave(turn: Turn, rollout: RolloutStatus): Step {
  const { spec, fleet, room, waiting, moving, blocked, observed } = turn;
  if (waiting.length === 0) {
    if (moving.length > 0) return settle(turn);
    return blocked.length > 0 ? { rollout, ...going(turn, 'tries again') } : complete({ ...turn, rollout });
  }
  const awake = waiting.filter(({ suspended }) => !suspended);
  const next = [...placesFor(awake, fleet, room), ...waiting.filter(({ suspended }) => suspended)];
  if (next.length === 0 || stop(turn) !== undefined) return move({ ...turn, rollout }, next, awake);
  const isNew = spec.waveSoakSeconds > 0 || rollout.wave === 0;
  const wave = { wave: rollout.wave + 1, waveStartTime: timeOf(observed.now, rollout) };
  const begun = isNew ? { ...withoutSoak(rollout), ...wave } : rollout;
  return move({ ...turn, rollout: begun }, next, awake);
}

/** Those that fit, or else those that are down anyway. */
function placesFor(candidates: readonly Follower[], fleet: Fleet, room: Room): Follower[] {
  const fit = fitting(candidates, room);
  return fit.length > 0 ? fit : downAnyway(candidates, fleet, room);
}

/** Moves these, unless no one may be moved now. */
function move(turn: Turn, next: readonly Follower[], candidates: readonly Follower[]): Step {
  const { observed, spec } = turn;
  const { completionTime: _done, ...rollout } = turn.rollout;
  const stopped = stop(turn);
  if (stopped) return { rollout, ...stopped };
  if (next.length === 0) return { rollout, ...noRoom(turn, candidates) };
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
  return { rollout, assign, ...going(turn, names) };
}

/** Why no one may be moved now, whoever it would be. */
function stop({ observed, spec, fleet, rollout }: Turn): Pick<Step, 'reason' | 'message' | 'lookAgain'> | undefined {
  const done = progress(fleet, rollout.image);
  if (spec.paused) {
    return { reason: 'Paused', message: `${done}; paused by spec.activate.existingContainers.paused` };
  }
  const { open, changeTime, problem } = observed.window;
  if (open) return undefined;
  if (problem !== undefined && !changeTime) return { reason: 'InvalidWindow', message: `${done}; next: ${problem}` };
  const opens = changeTime ? `when a window opens at ${formatTime(changeTime)}` : 'when a window opens';
  return { reason: 'OutsideWindow', message: `${done}; next: ${opens}`, ...(changeTime && { lookAgain: changeTime }) };
}

function settle(turn: Turn): Step {
  const { completionTime: _done, ...rollout } = turn.rollout;
  return { rollout, ...waitFor(turn, 'waits for the last to run well', turn.moving) };
}

function complete({ observed, fleet, rollout }: Turn): Step {
  const completionTime = rollout.completionTime ?? observed.now.toISOString();
  const back = revertedOf(fleet);
  const rest = back.length > 0 ? ` because they failed with it, such as ${back[0]?.name ?? ''}` : '';
  const message = `${progress(fleet, rollout.image)}${rest}`;
  const { blockedTime: _blocked, ...done } = rollout;
  return { rollout: { ...done, completionTime }, reason: 'RolledOut', message };
}

const isOnTheWay = ({ state }: Follower): boolean => state === 'Moving' || state === 'Leaving';
const isMoved = ({ moved, state }: Follower): boolean => moved && (state === 'Moving' || state === 'Updated');

const going = ({ fleet, rollout }: Turn, next: string): Pick<Step, 'reason' | 'message'> => ({
  reason: 'RollingOut',
  message: `${progress(fleet, rollout.image)}; next: ${next}`,
});

function noRoom(turn: Turn, candidates: readonly Follower[]): Pick<Step, 'reason' | 'message' | 'lookAgain'> {
  const { down, most } = turn.room;
  const first = candidates[0]?.name ?? '';
  const used = `maxUnavailable ${turn.spec.maxUnavailable} (${most}) is used up by ${down.length} that are unavailable, such as`;
  return waitFor(turn, `${first}, when there is room: ${used}`, down);
}

/** Waits for these, until they have been down for so long that only a person can help. */
function waitFor(turn: Turn, what: string, these: readonly Follower[]): Pick<Step, 'reason' | 'message' | 'lookAgain'> {
  const { observed } = turn;
  const separator = what.endsWith('such as') ? '' : ':';
  const text = `${what}${separator} ${example(these)}`;
  const hopeless = Math.max(...these.map(hopelessTime));
  if (hopeless > observed.now.getTime()) return { ...going(turn, text), lookAgain: new Date(hopeless) };
  return { reason: 'ContainersStuck', message: `${going(turn, text).message}, for long: repair it, or suspend it` };
}

/** The first of these times that is still to come. */
const nextOf = (times: readonly number[], now: Date): number => Math.min(...times.filter((it) => it > now.getTime()));

const soonest = ({ lookAgain }: Step, other: number): Pick<Step, 'lookAgain'> => {
  const time = Math.min(lookAgain?.getTime() ?? Infinity, other);
  return Number.isFinite(time) ? { lookAgain: new Date(time) } : {};
};

import type { RolloutStatus } from '../../api/rollout.ts';
import { formatTime } from '../../runtime/time.ts';
import type { Fleet, Follower } from './fleet.ts';
import { haltForGate } from './halt.ts';
import { readyOf } from './observed.ts';
import type { Situation, Step } from './observed.ts';
import { amount, downAnyway, fitting, roomOf } from './room.ts';
import type { Room } from './room.ts';
import { soak, withoutSoak } from './soak.ts';

/** Moves those whose turn it is: canaries, a soak, then as many at a time as may be unavailable. */
export function advance(situation: Situation, fleet: Fleet): Step {
  const waiting = fleet.all.filter(({ state }) => state === 'Waiting');
  const moving = fleet.awake.some(isOnTheWay);
  const turn: Turn = { ...situation, fleet, waiting, room: roomOf(fleet, situation.spec.maxUnavailable) };
  if (situation.rollout.completionTime !== undefined && waiting.length === 0 && !moving) return complete(turn);
  const step = situation.rollout.wave === 0 ? canaries(turn) : laterWaves(turn);
  // What it else waits for matters to nobody then.
  return step.reason === 'RollingOut' && situation.spec.paused ? { ...step, ...stop(turn) } : step;
}

interface Turn extends Situation {
  fleet: Fleet;
  waiting: readonly Follower[];
  room: Room;
}

/**
 * Those that fail are replaced by the next, but only when the others have told how it goes with them: so many must run it well,
 * unless too many fail, and a bad version shall meet as few as can be.
 */
function canaries(turn: Turn): Step {
  const { spec, fleet, room, rollout } = turn;
  const moved = fleet.awake.filter(isMoved);
  const candidates = turn.waiting.filter(({ suspended }) => !suspended);
  const count = amount(spec.canary.count, fleet.awake.length, Math.ceil);
  const wanted = Math.min(count, moved.length + candidates.length);
  if (wanted === 0) return laterWaves({ ...turn, rollout: { ...rollout, wave: 1 } });
  const missing = wanted - moved.length;
  const onTheWay = moved.filter(isOnTheWay);
  if (missing > 0 && onTheWay.length > 0 && fleet.awake.some(({ state }) => state === 'Reverted')) {
    return { rollout: withoutSoak(rollout), ...going(turn, `waits for the other canaries: ${example(onTheWay)}`) };
  }
  if (missing > 0) {
    const healthy = candidates.some(({ available }) => available);
    const next = (healthy ? fitting(candidates, room) : downAnyway(candidates, fleet, room)).slice(0, missing);
    return move({ ...turn, rollout: withoutSoak(rollout) }, next, candidates);
  }
  return settleThenSoak(turn, moved, spec.canary.soakSeconds, 'the canaries');
}

function laterWaves(turn: Turn): Step {
  const { spec, fleet, rollout } = turn;
  if (spec.waveSoakSeconds > 0 && fleet.awake.some(isMoved)) {
    return settleThenSoak(turn, fleet.awake.filter(isMoved), spec.waveSoakSeconds, `wave ${rollout.wave}`);
  }
  return nextWave(turn, rollout);
}

/** Waits until all of the wave run well, and have for so long; then the next wave goes. */
function settleThenSoak(turn: Turn, moved: readonly Follower[], seconds: number, who: string): Step {
  const { observed, rollout } = turn;
  const unsettled = moved.filter(({ state, available }) => state !== 'Updated' || !available);
  if (unsettled.length > 0) {
    return { rollout: withoutSoak(rollout), ...going(turn, `waits for ${who} to run well: ${example(unsettled)}`) };
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
  const { spec, fleet, room, waiting } = turn;
  if (waiting.length === 0) return fleet.awake.some(isOnTheWay) ? settle(turn) : complete({ ...turn, rollout });
  const awake = waiting.filter(({ suspended }) => !suspended);
  const fit = fitting(awake, room);
  const next = [
    ...(fit.length > 0 ? fit : downAnyway(awake, fleet, room)),
    ...waiting.filter(({ suspended }) => suspended),
  ];
  if (next.length === 0 || stop(turn) !== undefined) return move({ ...turn, rollout }, next, awake);
  const isNew = spec.waveSoakSeconds > 0 || rollout.wave === 0;
  const begun = isNew ? { ...withoutSoak(rollout), wave: rollout.wave + 1 } : rollout;
  return move({ ...turn, rollout: begun }, next, awake);
}

/** Moves these, unless nobody may be moved now. */
function move(turn: Turn, next: readonly Follower[], candidates: readonly Follower[]): Step {
  const { observed, spec } = turn;
  const { completionTime: _done, ...rollout } = turn.rollout;
  const stopped = stop(turn);
  if (stopped) return { rollout, ...stopped };
  if (next.length === 0) return { rollout, ...going(turn, noRoom(turn, candidates)) };
  // Never before the start, whatever the clock of an earlier leader said: that is how the moved are told from the others.
  const now = observed.now.toISOString();
  const time = now < rollout.startTime ? rollout.startTime : now;
  const assign = next.map(({ container }) => ({ container, image: rollout.image, time, retryToken: spec.retryToken }));
  const names = next.length === 1 ? (next[0]?.name ?? '') : `${next.length} containers from ${next[0]?.name ?? ''} on`;
  return { rollout, assign, ...going(turn, names) };
}

/** Why nobody may be moved now, whoever it would be. */
function stop({ observed, spec, fleet, rollout }: Turn): Pick<Step, 'reason' | 'message' | 'lookAgain'> | undefined {
  const done = progress(fleet, rollout.image);
  if (spec.paused) {
    return { reason: 'Paused', message: `${done}; paused by spec.activate.existingContainers.paused` };
  }
  const { open, changeTime, problem } = observed.window;
  if (open) return undefined;
  const opens = changeTime ? `when a window opens at ${formatTime(changeTime)}` : (problem ?? 'when a window opens');
  return { reason: 'RollingOut', message: `${done}; next: ${opens}`, ...(changeTime && { lookAgain: changeTime }) };
}

function settle(turn: Turn): Step {
  const moving = turn.fleet.awake.filter(isOnTheWay);
  const { completionTime: _done, ...rollout } = turn.rollout;
  return { rollout, ...going(turn, `waits for the last to run well: ${example(moving)}`) };
}

function complete({ observed, fleet, rollout }: Turn): Step {
  const completionTime = rollout.completionTime ?? observed.now.toISOString();
  const back = fleet.all.filter(({ state }) => state === 'Reverted');
  const rest = back.length > 0 ? ` because they failed with it, such as ${back[0]?.name ?? ''}` : '';
  const message = `${progress(fleet, rollout.image)}${rest}`;
  return { rollout: { ...rollout, completionTime }, reason: 'RolledOut', message };
}

const isOnTheWay = ({ state }: Follower): boolean => state === 'Moving' || state === 'Leaving';
const isMoved = ({ moved, state }: Follower): boolean => moved && (state === 'Moving' || state === 'Updated');

const going = ({ fleet, rollout }: Turn, next: string): Pick<Step, 'reason' | 'message'> => ({
  reason: 'RollingOut',
  message: `${progress(fleet, rollout.image)}; next: ${next}`,
});

const tally = ({ all, awake }: Fleet) => ({
  following: all.length,
  updated: all.filter(({ state }) => state === 'Updated').length,
  moving: awake.filter(({ state }) => state === 'Moving').length,
  reverted: all.filter(({ state }) => state === 'Reverted').length,
  suspended: all.filter(({ state, suspended }) => suspended && state === 'Moving').length,
});

function progress(fleet: Fleet, image: string): string {
  const { following, updated, moving, reverted, suspended } = tally(fleet);
  const parts = [
    `${updated} of ${following} containers run ${image}`,
    ...(moving > 0 ? [`${moving} are on their way`] : []),
    ...(suspended > 0 ? [`${suspended} are suspended and will start on it`] : []),
    ...(reverted > 0 ? [`${reverted} went back`] : []),
  ];
  return parts.join(', ');
}

function noRoom({ room, spec }: Turn, candidates: readonly Follower[]): string {
  const first = candidates[0]?.name ?? '';
  const { down, most } = room;
  return `${first}, when there is room: maxUnavailable ${spec.maxUnavailable} (${most}) is used up by ${down.length} that are unavailable, such as ${example(down)}`;
}

/** The first of them, and what it says of itself. */
function example([first]: readonly Follower[]): string {
  if (!first) return '';
  const { status } = first.container;
  const upgraded = status?.conditions?.find(({ type }) => type === 'Upgraded');
  const waits = upgraded?.status === 'Unknown' ? upgraded : readyOf(first.container);
  return `${first.name} (${waits?.reason ?? 'not seen yet'})`;
}

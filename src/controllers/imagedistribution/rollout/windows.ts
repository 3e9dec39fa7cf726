import { Cron } from 'croner';
import type { Window } from '../../../api/rollout.ts';

export interface WindowState {
  /** Containers may be moved. */
  open: boolean;
  /** When that changes; absent when it never does, or is so far off that it does not matter. */
  changeTime?: Date;
}

/**
 * Whether one of these windows is open, and when that changes. A window is open from each time of its schedule, which is
 * local time, for `durationSeconds` of real time; windows that overlap or touch are one. Where clocks are put forward, a time
 * that is left out is the first one after; where they are put back, a fixed hour is the first of the two, and `*` is both.
 * A window with a problem (`windowProblem`) never opens.
 */
export function windowState(windows: readonly Window[] | undefined, now: Date): WindowState {
  if (!windows || windows.length === 0) return { open: true };
  const schedules = windows.map(parse).filter((it) => typeof it !== 'string');
  const end = endOf(schedules, now.getTime());
  if (end === undefined) {
    const openings = schedules.map(({ cron }) => cron.nextRun(now)?.getTime() ?? Infinity);
    return stateUntil(false, Math.min(Infinity, ...openings));
  }
  return stateUntil(true, endOfAll(schedules, end));
}

/** The same, with what keeps one of the windows from ever opening: what a rollout is decided by. */
export function windowOf(
  windows: readonly Window[] | undefined,
  now: Date,
): WindowState & { problem: string | undefined } {
  return { ...windowState(windows, now), problem: windows?.map(windowProblem).find((it) => it !== undefined) };
}

/** Why a window can never open, for people; undefined when it is well. */
export function windowProblem(window: Window): string | undefined {
  const parsed = parse(window);
  return typeof parsed === 'string' ? parsed : undefined;
}

interface Schedule {
  cron: Cron;
  milliseconds: number;
}

/** Any day will do: what never happens after it never happens. */
const someDay = new Date('2026-01-01T00:00:00Z');

/** The schedule, or why there is none. */
function parse({ schedule, timeZone, durationSeconds }: Window): Schedule | string {
  if (!isTimeZone(timeZone)) return `There is no time zone ${timeZone}; write one such as Australia/Sydney`;
  const correct = 'write minute, hour, day of month, month and day of week, such as 0 2 * * 6';
  try {
    const cron = new Cron(schedule, { timezone: timeZone, mode: '5-part', paused: true });
    if (cron.nextRun(someDay)) return { cron, milliseconds: durationSeconds * 1000 };
    return `The schedule ${schedule} names a time that never comes; ${correct}`;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    return `The schedule ${schedule} is not valid (${why}); ${correct}`;
  }
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const stateUntil = (open: boolean, time: number): WindowState =>
  Number.isFinite(time) ? { open, changeTime: new Date(time) } : { open };

/** When the windows that are open at a time end, the last of them; undefined when none is. */
function endOf(schedules: readonly Schedule[], time: number): number | undefined {
  const ends = schedules.map(({ cron, milliseconds }) => {
    // The one before the next millisecond: a window is open from its first moment on.
    const [opening] = cron.previousRuns(1, new Date(time + 1));
    return opening ? opening.getTime() + milliseconds : -Infinity;
  });
  const last = Math.max(-Infinity, ...ends);
  return last > time ? last : undefined;
}

/** Each takes some 40 microseconds; a day of windows of a minute has 1440. */
const mostLookups = 1500;
const farOff = 35 * 24 * 3600 * 1000;

/** When there is no window any more that goes on where others end; Infinity when that is far off. */
function endOfAll(schedules: readonly Schedule[], first: number): number {
  let end = first;
  for (let lookups = 0; lookups < mostLookups && end - first < farOff; lookups += schedules.length) {
    const later = endOf(schedules, end);
    if (later === undefined) return end;
    end = later;
  }
  return Infinity;
}

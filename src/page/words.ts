import type { CellState, State } from '../cli/dashboard/views.ts';

/** The word and the sign of each state. Colour alone never distinguishes two states. */
export interface Sign {
  sign: string;
  word: string;
  tone: 'good' | 'busy' | 'warn' | 'bad' | 'quiet';
}

export const stateSigns: Record<State, Sign> = {
  NeedsYou: { sign: '!', word: 'Needs you', tone: 'bad' },
  Down: { sign: '✕', word: 'Down', tone: 'bad' },
  Moving: { sign: '↻', word: 'On its way', tone: 'busy' },
  WentBack: { sign: '↩', word: 'Went back', tone: 'warn' },
  Suspended: { sign: '‖', word: 'Suspended', tone: 'quiet' },
  Well: { sign: '✓', word: 'Well', tone: 'good' },
};

export const cellSigns: Record<CellState, Sign> = {
  Reverted: { sign: '↩', word: 'Went back', tone: 'bad' },
  Failed: { sign: '✕', word: 'Failed', tone: 'bad' },
  Blocked: { sign: '◇', word: 'Cannot take it', tone: 'warn' },
  Moving: { sign: '↻', word: 'Moving', tone: 'busy' },
  Leaving: { sign: '←', word: 'Sent back', tone: 'busy' },
  Updated: { sign: '✓', word: 'Updated', tone: 'good' },
  Waiting: { sign: '·', word: 'Waiting', tone: 'quiet' },
  New: { sign: '+', word: 'New', tone: 'quiet' },
};

export const standingSigns = {
  Done: { sign: '✓', word: 'Done', tone: 'good' },
  Waiting: { sign: '↻', word: 'Under way', tone: 'busy' },
  Halted: { sign: '!', word: 'Halted', tone: 'bad' },
  Stalled: { sign: '!', word: 'Needs you', tone: 'bad' },
} as const satisfies Record<string, Sign>;

export const whySigns = {
  Well: { sign: '✓', word: 'As it should be', tone: 'good' },
  Waiting: { sign: '↻', word: 'On its way', tone: 'busy' },
  Person: { sign: '!', word: 'Needs you', tone: 'bad' },
} as const satisfies Record<string, Sign>;

export const stepSigns = {
  Done: { sign: '✓', word: 'done', tone: 'good' },
  Active: { sign: '↻', word: 'under way', tone: 'busy' },
  Failed: { sign: '✕', word: 'failed', tone: 'bad' },
  Open: { sign: '○', word: 'not yet', tone: 'quiet' },
} as const satisfies Record<string, Sign>;

const stored: Record<string, Sign> = {
  Ready: { sign: '✓', word: 'stored', tone: 'good' },
  Fetching: { sign: '↓', word: 'fetching', tone: 'busy' },
  Pending: { sign: '○', word: 'waits', tone: 'quiet' },
  Wanted: { sign: '○', word: 'wanted', tone: 'quiet' },
  Failed: { sign: '✕', word: 'failed', tone: 'bad' },
  Deleting: { sign: '−', word: 'deleting', tone: 'quiet' },
};
/** Stored, and not wanted any more. */
export const keptSign: Sign = { sign: '~', word: 'kept from before', tone: 'quiet' };
export const storedSign = (state: string): Sign => stored[state] ?? { sign: '?', word: state, tone: 'quiet' };

/** `3 min`, `2 h`, `5 d`: how long a time is, in one unit. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const since = (time: string | undefined, now: number): string =>
  time === undefined ? '' : span(now - Date.parse(time));

/** `4.2 GiB`. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = count < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? ''}`;
}

export const count = (number: number): string => number.toLocaleString('en');
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`;

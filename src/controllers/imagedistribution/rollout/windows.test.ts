import { describe, expect, test } from 'vitest';
import type { Window } from '../../../api/rollout.ts';
import { windowProblem, windowState } from './windows.ts';

const hours = (count: number) => count * 3600;
const window = (schedule: string, durationSeconds: number, timeZone = 'UTC'): Window => ({
  schedule,
  durationSeconds,
  timeZone,
});
const sydney = (schedule: string, durationSeconds: number) => window(schedule, durationSeconds, 'Australia/Sydney');

/** `open until TIME`, `closed until TIME`, or without a time. */
function stateAt(windows: Window[] | undefined, now: string): string {
  const { open, changeTime } = windowState(windows, new Date(now));
  return `${open ? 'open' : 'closed'}${changeTime ? ` until ${changeTime.toISOString().replace('.000Z', 'Z')}` : ''}`;
}

const night = window('0 22 * * *', hours(4));
const saturday = window('0 2 * * 6', hours(3));

describe('windows', () => {
  test.each<[string, Window[] | undefined, string, string]>([
    ['that are not given are open always', undefined, '2026-01-05T12:00:00Z', 'open'],
    ['of which there is none are open always', [], '2026-01-05T12:00:00Z', 'open'],
    ['are closed before they open', [saturday], '2026-01-09T23:00:00Z', 'closed until 2026-01-10T02:00:00Z'],
    ['are closed a millisecond before', [saturday], '2026-01-10T01:59:59.999Z', 'closed until 2026-01-10T02:00:00Z'],
    ['are open from the first moment', [saturday], '2026-01-10T02:00:00Z', 'open until 2026-01-10T05:00:00Z'],
    ['are open until the last', [saturday], '2026-01-10T04:59:59.999Z', 'open until 2026-01-10T05:00:00Z'],
    ['are closed at their end', [saturday], '2026-01-10T05:00:00Z', 'closed until 2026-01-17T02:00:00Z'],
    ['span midnight', [night], '2026-01-06T01:00:00Z', 'open until 2026-01-06T02:00:00Z'],
    [
      'span the end of a week',
      [window('0 20 * * 0', hours(30))],
      '2026-01-05T12:00:00Z',
      'open until 2026-01-06T02:00:00Z',
    ],
    [
      'that last as long as their period never close',
      [window('0 0 * * 1', hours(168))],
      '2026-01-07T12:00:00Z',
      'open',
    ],
    ['that overlap themselves never close', [window('*/5 * * * *', 600)], '2026-01-05T12:03:00Z', 'open'],
    ['of every minute never close', [window('* * * * *', 60)], '2026-01-05T12:00:30Z', 'open'],
    [
      'of every minute of some hours close',
      [window('* 0-9 * * *', 60)],
      '2026-01-05T00:00:30Z',
      'open until 2026-01-05T10:00:00Z',
    ],
    [
      'that overlap are one',
      [night, window('0 1 * * *', hours(3))],
      '2026-01-05T23:00:00Z',
      'open until 2026-01-06T04:00:00Z',
    ],
    [
      'of which one is within another end with the longer',
      [night, window('0 23 * * *', 600)],
      '2026-01-05T23:05:00Z',
      'open until 2026-01-06T02:00:00Z',
    ],
    [
      'that touch are one',
      [night, window('0 2 * * *', hours(1))],
      '2026-01-05T23:00:00Z',
      'open until 2026-01-06T03:00:00Z',
    ],
    ['open with the first of them', [saturday, night], '2026-01-09T12:00:00Z', 'closed until 2026-01-09T22:00:00Z'],
    [
      'of one day in four years are waited for',
      [window('0 0 29 2 *', 600)],
      '2026-01-01T00:00:00Z',
      'closed until 2028-02-29T00:00:00Z',
    ],
    ['that can never open are closed', [window('99 * * * *', 600)], '2026-01-01T00:00:00Z', 'closed'],
    [
      'with a problem do not keep the others from opening',
      [window('0 0 31 2 *', 600), saturday],
      '2026-01-10T03:00:00Z',
      'open until 2026-01-10T05:00:00Z',
    ],
    [
      'are in their own time zones',
      [window('0 2 * * *', hours(1), 'Asia/Kolkata'), sydney('0 2 * * *', hours(1))],
      '2026-01-05T16:00:00Z',
      'closed until 2026-01-05T20:30:00Z',
    ],
  ])('%s', (_case, windows, now, expected) => {
    expect(stateAt(windows, now)).toBe(expected);
  });
});

// Clocks go forward on 2026-10-04 at 02:00 (16:00Z the day before), and back on 2026-04-05 at 03:00 (16:00Z the day before).
describe('windows in Sydney', () => {
  test.each<[string, Window, string, string]>([
    [
      'open at local time in summer',
      sydney('0 2 * * *', 600),
      '2026-01-05T14:00:00Z',
      'closed until 2026-01-05T15:00:00Z',
    ],
    [
      'open at local time in winter',
      sydney('0 2 * * *', 600),
      '2026-07-05T14:00:00Z',
      'closed until 2026-07-05T16:00:00Z',
    ],
    [
      'open at the first moment after a time that is left out',
      sydney('30 2 * * *', hours(1)),
      '2026-10-03T15:59:00Z',
      'closed until 2026-10-03T16:00:00Z',
    ],
    [
      'last their time over an hour that is left out',
      sydney('0 1 * * *', hours(3)),
      '2026-10-03T15:30:00Z',
      'open until 2026-10-03T18:00:00Z',
    ],
    [
      'open the first time at a time that comes twice',
      sydney('30 2 * * *', 600),
      '2026-04-04T15:30:00Z',
      'open until 2026-04-04T15:40:00Z',
    ],
    [
      'do not open a second time at a time that comes twice',
      sydney('30 2 * * *', 600),
      '2026-04-04T16:30:00Z',
      'closed until 2026-04-05T16:30:00Z',
    ],
    [
      'last their time over an hour that comes twice',
      sydney('0 1 * * *', hours(3)),
      '2026-04-04T14:30:00Z',
      'open until 2026-04-04T17:00:00Z',
    ],
    [
      'of each hour open in both of the hours that have one name',
      sydney('0 * * * *', 600),
      '2026-04-04T15:30:00Z',
      'closed until 2026-04-04T16:00:00Z',
    ],
    [
      'that begin before the change are known after it',
      sydney('0 22 * * 6', hours(8)),
      '2026-10-03T19:59:00Z',
      'open until 2026-10-03T20:00:00Z',
    ],
  ])('%s', (_case, it, now, expected) => {
    expect(stateAt([it], now)).toBe(expected);
  });
});

describe('the problem of a window', () => {
  test.each<[string, Window, RegExp | undefined]>([
    ['that is well is none', saturday, undefined],
    ['with names is none', window('0 2 * JAN-MAR SAT', 600), undefined],
    ['of the last day of a month is none', window('0 2 L * *', 600), undefined],
    ['with minute 99 is reported', window('99 * * * *', 600), /^The schedule 99 \* \* \* \* is not valid .*minute: 99/],
    ['with day of week 8 is reported', window('0 0 * * 8', 600), /dayOfWeek: 8/],
    ['with words is reported', window('at two on any day', 600), /not valid/],
    ['with a nickname is reported', window('@daily x x x x', 600), /not valid/],
    ['with a range that goes back is reported', window('0 5-1 * * *', 600), /larger than/],
    ['on February 31 is reported', window('0 0 31 2 *', 600), /never comes/],
    ['with six fields is reported', { ...saturday, schedule: '0 0 2 * * 6' }, /not valid/],
    ['without fields is reported', { ...saturday, schedule: '' }, /not valid/],
    [
      'in no time zone is reported',
      window('0 2 * * *', 600, 'Mars/Olympus'),
      /^There is no time zone Mars\/Olympus; write/,
    ],
  ])('%s', (_case, it, expected) => {
    if (expected) expect(windowProblem(it)).toMatch(expected);
    else expect(windowProblem(it)).toBeUndefined();
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { End } from './ends.ts';
import { reasons as hostedContainer } from './hostedcontainer/reasons.ts';

/** Every reason of every kind ends in one way, and its page says in which. */

const kinds: [string, Readonly<Record<string, End>>][] = [['hostedcontainer', hostedContainer]];

/** How the pages call it. */
const words: Record<string, End> = {
  done: 'Done',
  waiting: 'Waiting',
  'a person': 'Person',
  wanted: 'Wanted',
  depends: 'Depends',
};

/** Reason and end of each row of the table below the heading. */
function documented(kind: string): [string, End | undefined][] {
  const page = readFileSync(new URL(`../../docs/api/${kind}.md`, import.meta.url), 'utf8');
  const section = page.split('### How each state ends\n')[1]?.split(/\n##/)[0] ?? '';
  return section.split('\n').flatMap((line) => {
    const [, reasons = '', end = ''] = line.split('|').map((cell) => cell.trim());
    return [...reasons.matchAll(/`(\w+)`/g)].map(([, reason = '']): [string, End | undefined] => [reason, words[end]]);
  });
}

describe.each(kinds)('%s', (kind, reasons) => {
  test('its page has each reason once, with the way in which the code ends it', () => {
    const rows = documented(kind);
    expect(rows.length).toBeGreaterThan(10);
    expect([...rows].sort(byReason)).toEqual(Object.entries(reasons).sort(byReason));
  });
});

const byReason = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

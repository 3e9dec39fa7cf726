import { describe, expect, test } from 'vitest';
import { entryNamed } from './store-entries.ts';

const listOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ os: `os-${i % 3}`, version: `v${Math.floor(i / 3)}`, at: i }));

describe.each([3, 30])('in a list of %d entries', (count) => {
  test('each is found by its OS and version, and nothing else is', () => {
    const list = Object.freeze(listOf(count));
    for (const entry of list) expect(entryNamed(list, entry.os, entry.version)).toBe(entry);
    expect(entryNamed(list, 'os-0', 'v99')).toBeUndefined();
    expect(entryNamed(list, 'os', '0:v0')).toBeUndefined();
  });

  test('that may still change, a later entry is found, too', () => {
    const list = listOf(count);
    expect(entryNamed(list, 'os-9', 'v1')).toBeUndefined();
    list.push({ os: 'os-9', version: 'v1', at: count });
    expect(entryNamed(list, 'os-9', 'v1')?.at).toBe(count);
  });
});

test('no list has no entry', () => expect(entryNamed(undefined, 'os', 'v1')).toBeUndefined());

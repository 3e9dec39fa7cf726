import { describe, expect, test } from 'vitest';
import { truncate, truncateBytes, truncateMiddle, truncateStart } from './text.ts';

describe('a text is cut', () => {
  test.each([
    ['nowhere when it fits', 'abcd', 4, 'abcd', 'abcd'],
    ['at the end that matters less', 'abcdef', 4, 'abc…', '…def'],
    ['before a character of two code units that does not fit whole', 'ab😀😀cd', 4, 'ab…', '…cd'],
    ['after such a character that fits', 'a😀bc😀d', 5, 'a😀b…', '…c😀d'],
    ['to nothing where no room is', 'ab', 0, '', ''],
    ['to the mark alone where there is room for that only', 'ab', 1, '…', '…'],
  ])('%s', (_name, text, most, start, end) => {
    expect(truncate(text, most)).toBe(start);
    expect(truncateStart(text, most)).toBe(end);
  });

  test('at any length without a lone surrogate, and never longer than asked', () => {
    const text = 'a😀é日😀😀\u{10ffff}z'.repeat(3);
    for (let most = 0; most <= text.length; most++) {
      for (const cut of [truncate(text, most), truncateStart(text, most)]) {
        expect(cut.isWellFormed()).toBe(true);
        expect(cut.length).toBeLessThanOrEqual(most);
      }
    }
  });
});

test.each([
  ['short', 10, 'short'],
  ['exact', 5, 'exact'],
  ['longer than that', 10, 'longer …'],
  ['üüüüü', 8, 'üü…'],
  ['💾💾💾', 11, '💾💾…'],
  ['💾💾💾', 10, '💾…'],
])('%s cut to %d bytes is %s', (text, bytes, cut) => {
  expect(truncateBytes(text, bytes)).toBe(cut);
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes);
});

test.each([
  ['short', 8, 'short'],
  ['what happened, and what to do', 12, 'what hap… do'],
  ['💾💾💾💾💾💾', 8, '💾💾…💾'],
])('%s cut in the middle to %d is %s', (text, most, cut) => {
  expect(truncateMiddle(text, most)).toBe(cut);
  expect(cut.length).toBeLessThanOrEqual(most);
});

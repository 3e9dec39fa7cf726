import { expect, test } from 'vitest';
import { rangeOf } from './window.ts';

test('of ten thousand rows only those that can be seen are drawn, and a few around them', () => {
  expect(rangeOf(10_000, 36, 36_000, 900)).toEqual({ from: 992, to: 1033 });
});

test('at its beginning, before it and after its end', () => {
  expect(rangeOf(10_000, 36, -500, 900)).toEqual({ from: 0, to: 20 });
  expect(rangeOf(5, 36, 0, 900)).toEqual({ from: 0, to: 5 });
  expect(rangeOf(5, 36, 99_999, 900)).toEqual({ from: 5, to: 5 });
  expect(rangeOf(0, 36, 0, 900)).toEqual({ from: 0, to: 0 });
});

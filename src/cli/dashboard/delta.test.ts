import { expect, test } from 'vitest';
import { applied } from '../../page/apply.ts';
import { deltaOf } from './delta.ts';

test('what did not change is not sent', () => {
  const row = { a: 1 };
  expect(deltaOf({ row, other: [1] }, { row, other: [1] })).toBeUndefined();
});

test('what is new, changed and gone leads from one model to the next', () => {
  const before = { same: { a: 1 }, changed: { a: 1 }, gone: 1 };
  const after = { same: { a: 1 }, changed: { a: 2 }, added: 'x' };
  const delta = deltaOf(before, after);
  expect(delta).toEqual({ set: { changed: { a: 2 }, added: 'x' }, gone: ['gone'] });
  expect(delta && applied(before, delta)).toEqual(after);
});

test('pieces that did not change stay the same objects on the page', () => {
  const before = { a: { x: 1 }, b: { x: 1 } };
  expect(applied(before, { set: { b: { x: 2 } }, gone: [] })['a']).toBe(before.a);
});

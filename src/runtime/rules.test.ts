import { expect, test } from 'vitest';
import { firstHit } from './rules.ts';

const small = (n: number) => (n < 10 ? 'small' : undefined);
const even = (n: number) => (n % 2 === 0 ? 'even' : undefined);

test.each([
  [4, 'small'],
  [12, 'even'],
  [13, undefined],
])('of the rules that hold for %d the first counts', (n, found) => {
  expect(firstHit([small, even], n)).toBe(found);
});

test('a rule after the first that finds something is not asked, and one may find an empty text', () => {
  const asked: string[] = [];
  const rules = ['one', 'two', 'three'].map((name) => () => {
    asked.push(name);
    return name === 'two' ? '' : undefined;
  });
  expect(firstHit(rules)).toBe('');
  expect(asked).toEqual(['one', 'two']);
});

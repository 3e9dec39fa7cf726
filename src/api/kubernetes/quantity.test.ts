import { expect, test } from 'vitest';
import { parseQuantity } from './quantity.ts';

test.each<[string | number, number | undefined]>([
  ['0', 0],
  ['64Mi', 64 * 2 ** 20],
  ['1Gi', 2 ** 30],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['1Ki', 1024],
  ['2Ti', 2 * 2 ** 40],
  ['1Pi', 2 ** 50],
  ['1k', 1000],
  ['5M', 5e6],
  ['2G', 2e9],
  ['1T', 1e12],
  ['1P', 1e15],
  ['500m', 0.5],
  [67108864, 67108864],
  ['', undefined],
  ['Mi', undefined],
  ['64 Mi', undefined],
  ['64MB', undefined],
  ['-1', undefined],
  ['1.', undefined],
  ['64Mi ', undefined],
])('%j is %j', (quantity, value) => {
  expect(parseQuantity(quantity)).toBe(value);
});

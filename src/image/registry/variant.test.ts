import { expect, test } from 'vitest';
import { levelNeeded, levelOf, readLevel } from './variant.ts';

const v2 = 'cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3';
const v3 = `${v2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave`;
const v4 = `${v3} avx512f avx512bw avx512cd avx512dq avx512vl`;

test.each([
  ['', 1],
  [v2, 2],
  [v3, 3],
  [v4, 4],
  [v4.replace('movbe', ''), 2],
])('the level of a processor is that of which it has all flags (%#)', (flags, level) => {
  expect(levelOf(`processor\t: 0\nflags\t\t: fpu ${flags} x\nbugs\t\t: none\n`)).toBe(level);
});

test('this machine has a level', async () => expect(await readLevel()).toBeGreaterThanOrEqual(1));

test('no variant, v1 and v8 are what every processor of the architecture runs', () => {
  expect([undefined, '', 'v1', 'v3'].map((it) => levelNeeded('amd64', it))).toEqual([1, 1, 1, 3]);
  expect([undefined, 'v8', 'v9'].map((it) => levelNeeded('arm64', it))).toEqual([1, 1, 2]);
});

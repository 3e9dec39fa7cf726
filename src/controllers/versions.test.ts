import { describe, expect, test } from 'vitest';
import { distribution } from '../../test/fixtures/builders.ts';
import { compareDistributions, compareVersions } from './versions.ts';

describe('versions are in one order, from the lowest to the highest', () => {
  test.each([
    [['v1', 'v2', 'v9', 'v10', 'v35', 'v100']],
    [['12.4', '12.4-1', '12.4.1', '12.5', '12.10', '13']],
    [['2024-11-02', '2024-11-13', '2025-01-01']],
    [['bookworm', 'bullseye', 'v1']],
    [['001', '01', '1', '2']],
    [['99999999999999999999', '100000000000000000000']],
    [['0', 'a', 'a0', 'ab']],
  ])('%j', (versions) => {
    for (const [i, a] of versions.entries()) {
      for (const [j, b] of versions.entries()) {
        expect(Math.sign(compareVersions(a, b)), `${a} and ${b}`).toBe(Math.sign(i - j));
      }
    }
  });

  test('of two distributions of the same image the first by name is above', () => {
    const named = (name: string) => ({ ...distribution('os:v1'), metadata: { name } });
    expect(compareDistributions(named('a'), named('b'))).toBe(1);
    expect(compareDistributions(named('b'), named('a'))).toBe(-1);
    expect(compareDistributions(named('a'), named('a'))).toBe(0);
  });
});

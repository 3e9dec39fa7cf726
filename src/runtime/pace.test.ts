import { describe, expect, test } from 'vitest';
import { Pace } from './pace.ts';

describe('the pace', () => {
  test('of looks: five times as long as one took, nothing is looked at', () => {
    let now = 1000;
    const pace = new Pace(() => now);
    expect(pace.rest('a')).toBe(0);
    expect(pace.look('a', () => (now += 20))).toBe(1020);
    expect([pace.rest('a'), pace.rest('b')]).toEqual([100, 0]);
    now += 60;
    expect(pace.rest('a')).toBe(40);
    now += 60;
    expect(pace.rest('a')).toBe(0);
  });

  test('of several looks of a run adds up', () => {
    let now = 0;
    const pace = new Pace(() => now);
    pace.look('a', () => (now += 20));
    pace.look('a', () => (now += 20));
    expect(pace.rest('a')).toBe(200);
  });

  test('of looks has a limit: no one waits longer than a second', () => {
    let now = 0;
    const pace = new Pace(() => now);
    pace.look('a', () => (now += 5000));
    expect(pace.rest('a')).toBe(1000);
  });
});

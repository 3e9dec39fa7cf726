import { describe, expect, test } from 'vitest';
import type { KubeObject } from './object.ts';
import { Ahead } from './mutation-cache.ts';

const revision = (resourceVersion: string, uid = 'uid'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'shop', name: 'web', uid, resourceVersion },
});
const [r1, r2, r3, r4] = [revision('1'), revision('2'), revision('3'), revision('4')];
const seen = (cached: KubeObject, ...writes: [old: KubeObject, written: KubeObject][]) => {
  const ahead = new Ahead();
  for (const [old, written] of writes) ahead.wrote(old, written);
  return ahead.newest(cached).metadata.resourceVersion;
};

describe('newest', () => {
  test.each<[string, string, Parameters<typeof seen>]>([
    ['nothing was written', '1', [r1]],
    ['the cache has not seen the write', '2', [r1, [r1, r2]]],
    ['the cache has seen it', '2', [r2, [r1, r2]]],
    ['somebody else has written since', '3', [r3, [r1, r2]]],
    ['two were written, and the cache has seen none of them', '3', [r1, [r1, r2], [r2, r3]]],
    ['two were written, and the cache has seen the first', '3', [r2, [r1, r2], [r2, r3]]],
    ['two were written, and somebody else has written since', '4', [r4, [r1, r2], [r2, r3]]],
    ['a write that changed nothing', '1', [r1, [r1, revision('1')]]],
    ['another object of the same name', '1', [revision('1', 'another'), [r1, r2]]],
  ])('%s', (_case, expected, [cached, ...writes]) => {
    expect(seen(cached, ...writes)).toBe(expected);
  });

  test('what the cache has seen once is not looked up again', () => {
    const ahead = new Ahead();
    ahead.wrote(r1, r2);
    ahead.newest(r2);
    expect(ahead.newest(r1)).toBe(r1);
  });

  test('only what is gone is forgotten of many', () => {
    const ahead = new Ahead();
    ahead.wrote(r1, r2);
    ahead.prune((key) => key === 'shop/web');
    expect(ahead.newest(r1)).toBe(r2);
    ahead.prune(() => false);
    expect(ahead.newest(r1)).toBe(r1);
  });

  test('what is gone is forgotten', () => {
    const ahead = new Ahead();
    ahead.wrote(r1, r2);
    ahead.forget('shop/web');
    expect(ahead.newest(r1)).toBe(r1);
  });
});

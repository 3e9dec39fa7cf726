import { describe, expect, test } from 'vitest';
import type { KubeObject } from './object.ts';
import { MutationCache } from './mutation-cache.ts';

const revision = (resourceVersion: string, uid = 'uid'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'shop', name: 'web', uid, resourceVersion },
});
const [r1, r2, r3, r4] = [revision('1'), revision('2'), revision('3'), revision('4')];
const seen = (cached: KubeObject, ...writes: [old: KubeObject, written: KubeObject][]) => {
  const mutations = new MutationCache();
  for (const [old, written] of writes) mutations.mutated(old, written);
  return mutations.get(cached).metadata.resourceVersion;
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
    const mutations = new MutationCache();
    mutations.mutated(r1, r2);
    mutations.get(r2);
    expect(mutations.get(r1)).toBe(r1);
  });

  test('only what is gone is forgotten of many', () => {
    const mutations = new MutationCache();
    mutations.mutated(r1, r2);
    mutations.prune((key) => key === 'shop/web');
    expect(mutations.get(r1)).toBe(r2);
    mutations.prune(() => false);
    expect(mutations.get(r1)).toBe(r1);
  });

  test('what is gone is forgotten', () => {
    const mutations = new MutationCache();
    mutations.mutated(r1, r2);
    mutations.forget('shop/web');
    expect(mutations.get(r1)).toBe(r1);
  });
});

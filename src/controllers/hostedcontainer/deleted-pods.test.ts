import { describe, expect, test } from 'vitest';
import { container } from '../../../test/fixtures/builders.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { PodDeletionExpectations } from './deleted-pods.ts';
import type { Observed } from './observed.ts';
import { isReady } from './outcome.ts';

const now = new Date('2026-01-01T00:01:00Z');
const since = '2026-01-01T00:00:00Z';
const owner = container({ image: 'os:v1' });
const pod = (uid: string, deletionTimestamp?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid, ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
  spec: {
    containers: [],
    volumes: [],
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    affinity: {},
    restartPolicy: 'Always',
  },
  status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }] },
});
const observed = (seen: Pod | undefined): Observed => ({
  container: owner,
  catalog: {
    find: () => undefined,
    withDigest: () => [],
    defaultVersion: () => undefined,
    pendingDefault: () => undefined,
    comesTo: () => false,
    nodesGetting: () => [],
    movedBy: () => undefined,
  },
  pod: seen,
  nodes: [],
  scaffolds: { merged: 'merged', split: 'split' },
  now,
});
/** What is believed of a Pod after the one with uid `a` was deleted. */
function after(...seen: (Pod | undefined)[]): Observed {
  const deleted = new PodDeletionExpectations();
  deleted.add(keyOf(owner.metadata), 'a', now);
  return seen.map((it) => deleted.mark(observed(it))).at(-1) as Observed;
}

describe('after a Pod was deleted', () => {
  test('it is Ready no more, though the cache still says so', () => {
    expect(isReady(observed(pod('a')).pod)).toBe(true);
    expect(isReady(after(pod('a')).pod)).toBe(false);
    expect(after(pod('a'), pod('a')).pod?.metadata.deletionTimestamp).toBe(now.toISOString());
  });

  test('what the cache says of its end is taken as it is', () => {
    const going = pod('a', '2026-01-01T00:01:30Z');
    expect(after(going).pod).toBe(going);
    expect(after(undefined).pod).toBeUndefined();
  });

  test('the next Pod is another one', () => {
    const next = pod('b');
    expect(after(next).pod).toBe(next);
    expect(after(pod('a'), next).pod).toBe(next);
  });

  test('others have not deleted it, whether it is still going or gone', () => {
    expect(after(pod('a')).deletedByOthers).toBeUndefined();
    expect(after(pod('a', since)).deletedByOthers).toBeUndefined();
    expect(after(pod('a'), undefined).deletedByOthers).toBeUndefined();
    expect(after(pod('a'), undefined, undefined).deletedByOthers).toBeUndefined();
  });

  test.each([
    ['gracefully', [pod('b'), pod('b', since)]],
    ['at once', [pod('b'), undefined]],
    ['at once, seen twice', [pod('b'), undefined, undefined]],
  ])('another one that somebody deletes %s is known as that', (_how, seen) => {
    expect(after(...seen).deletedByOthers?.metadata.uid).toBe('b');
  });

  test('one that is there, or that no one saw, was deleted by no one else', () => {
    expect(after(pod('b')).deletedByOthers).toBeUndefined();
    expect(new PodDeletionExpectations().mark(observed(undefined)).deletedByOthers).toBeUndefined();
  });

  test('it is forgotten with its container', () => {
    const deleted = new PodDeletionExpectations();
    deleted.mark(observed(pod('a')));
    deleted.add(keyOf(owner.metadata), 'a', now);
    deleted.forget(keyOf(owner.metadata));
    expect(deleted.mark(observed(undefined)).deletedByOthers).toBeUndefined();
    expect(isReady(deleted.mark(observed(pod('a'))).pod)).toBe(true);
  });
});

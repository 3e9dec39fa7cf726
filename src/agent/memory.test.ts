import { describe, expect, test } from 'vitest';
import type { NodeStore, StoredImage } from '../api/nodestore.ts';
import { FetchError } from '../image/failure.ts';
import { desiredImage, storedImage } from '../../test/fixtures/agent/desired.ts';
import { fingerprintOf } from './fingerprint.ts';
import { AgentMemory } from './memory.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const key = 'debian-12:v1';
const image = desiredImage();
const print = fingerprintOf(image);
const noSpace = new FetchError('NoSpace', 'The disk is full');

const nodeStore = (...images: Partial<StoredImage>[]): NodeStore => ({
  apiVersion: '',
  kind: '',
  metadata: { name: 'node-1', generation: 1 },
  spec: { images: [image] },
  status: {
    images: images.map((it) => ({ os: image.os, version: image.version, digest: image.digest, ...it })) as never,
  },
});

describe('failed fetches', () => {
  test('are counted, each with a longer pause, until one succeeds', () => {
    const memory = new AgentMemory(() => 0);
    const first = memory.fetched(image, print, noSpace, now);
    const second = memory.fetched(image, print, noSpace, now);
    expect([first?.attempts, second?.attempts]).toEqual([1, 2]);
    expect((second?.retryTime ?? 0) - now).toBeGreaterThan((first?.retryTime ?? 0) - now);
    expect(memory.fetched(image, print, undefined, now)).toBeUndefined();
    expect(memory.failedAttempts.size).toBe(0);
  });

  test('are counted from one again when anything about the image has changed', () => {
    const memory = new AgentMemory(() => 0);
    memory.fetched(image, print, noSpace, now);
    expect(memory.fetched(image, 'another', noSpace, now)?.attempts).toBe(1);
  });

  test('for lack of space are tried at once when an image has gone', () => {
    const memory = new AgentMemory(() => 0);
    memory.fetched(image, print, noSpace, now);
    memory.removed('debian-12:v0', now + 7);
    expect(memory.failedAttempts.get(key)?.retryTime).toBe(now + 7);
  });
});

describe('after a restart', () => {
  const failed = {
    state: 'Pending',
    reason: 'NoSpace',
    attempts: 3,
    message: 'full',
    retryTime: '2026-01-01T00:05:00Z',
  };

  test('the status tells of the failed fetches and their pauses', () => {
    const memory = new AgentMemory(() => 0);
    expect(memory.recall(nodeStore(failed as never), new Map(), now)).toEqual([]);
    expect(memory.failedAttempts.get(key)).toMatchObject({ attempts: 3, reason: 'NoSpace', retryTime: now + 300_000 });
  });

  test('a fetch that agents died of waits, and is reported once', () => {
    const memory = new AgentMemory(() => 0);
    const deaths = new Map([[key, { fingerprint: print, deaths: 2 }]]);
    expect(memory.recall(nodeStore(), deaths, now)).toMatchObject([{ key, deaths: 2 }]);
    const known = memory.failedAttempts.get(key);
    expect(known).toMatchObject({ attempts: 2, reason: 'AgentDied' });
    const status = {
      state: 'Pending',
      reason: 'AgentDied',
      attempts: 2,
      message: '',
      retryTime: '2026-01-01T00:01:00Z',
    };
    expect(new AgentMemory(() => 0).recall(nodeStore(status as never), deaths, now)).toEqual([]);
  });

  test('a death of a fetch of other bytes counts for nothing', () => {
    const memory = new AgentMemory(() => 0);
    expect(memory.recall(nodeStore(), new Map([[key, { fingerprint: 'other', deaths: 2 }]]), now)).toEqual([]);
    expect(memory.deathsOf(image, print)).toEqual({ fingerprint: print, deaths: 0 });
  });

  test('a tree that was found changed is still changed, unless another one was published since', () => {
    const changed = { state: 'Failed', reason: 'TreeChanged', readyTime: storedImage().publishTime };
    const memory = new AgentMemory(() => 0);
    memory.recallTree(storedImage(), nodeStore(changed as never), undefined);
    expect(memory.verifications.get(key)?.finding?.kind).toBe('changed');
    const other = new AgentMemory(() => 0);
    other.recallTree({ ...storedImage(), publishTime: '2026-01-02T00:00:00Z' }, nodeStore(changed as never), undefined);
    expect(other.verifications.size).toBe(0);
  });
});

test('the time of grace of a removal begins when it is announced', () => {
  const memory = new AgentMemory(() => 0);
  memory.checked(key, { phase: 'Deleting', removeTime: undefined });
  memory.announced(key, now);
  expect(memory.removals.get(key)).toEqual({ phase: 'Deleting', removeTime: now + 10_000 });
  memory.cancelRemoval(key);
  expect(memory.removals.size).toBe(0);
});

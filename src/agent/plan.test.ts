import { describe, expect, test } from 'vitest';
import { desiredImage, storedImage } from '../../test/fixtures/agent/desired.ts';
import type { NodeStore } from '../api/nodestore.ts';
import { expectValidStatus } from '../runtime/status.ts';
import { planAgent } from './plan.ts';
import type { Observed } from './plan.ts';
import type { Removal } from './state.ts';

const now = new Date('2026-01-01T12:00:00Z');
const time = now.getTime();
const key = 'debian-12:v1';
const gibibyte = 1024 ** 3;
const space = { totalBytes: 100 * gibibyte, freeBytes: 50 * gibibyte, totalInodes: 1e6, freeInodes: 9e5 };

const nodeStore = (...images: NodeStore['spec']['images']): NodeStore => ({
  apiVersion: '',
  kind: '',
  metadata: { name: 'node-1', generation: 1 },
  spec: { images },
});

/** Plans for a node whose store holds an image unless it is said; gives each action with whether it waits for the status. */
function plan(o: Partial<Observed>) {
  const observed: Observed = {
    nodeStore: nodeStore(),
    before: undefined,
    store: { images: [storedImage()], broken: [] },
    space,
    minFree: { bytes: 1 },
    usedBytes: 5,
    failedAttempts: new Map(),
    removals: new Map(),
    verifications: new Map(),
    fetching: [],
    verifying: undefined,
    maxFetches: 1,
    intervals: { seconds: 0, contentSeconds: 0 },
    startTime: time,
    leftovers: [],
    plugin: {},
    now,
    ...o,
  };
  const planned = planAgent(observed);
  expectValidStatus({ ...observed.nodeStore, status: planned.status });
  const actions = planned.actions.map(({ type, announced }) => `${type}${announced ? ' when announced' : ''}`);
  return { ...planned, actions };
}
const removal = (it: Removal): ReadonlyMap<string, Removal> => new Map([[key, it]]);
const leaving = removal({ phase: 'Deleting', removeTime: undefined });

describe('the agent', () => {
  test('looks at the disk once a minute when there is nothing to do', () => {
    const { actions, requeueAfterSeconds } = plan({ nodeStore: nodeStore(desiredImage()) });
    expect([actions, requeueAfterSeconds]).toEqual([[], 60]);
  });

  test('fetches what is desired only once the status tells of it', () => {
    const it = plan({ nodeStore: nodeStore(desiredImage()), store: { images: [], broken: [] } });
    expect(it.actions).toEqual(['fetch when announced']);
  });

  test('begins the time of grace of an image that goes; one that is desired goes only when others can see it', () => {
    expect(plan({ removals: leaving }).actions).toEqual(['announceRemoval']);
    const replaced = plan({ removals: leaving, nodeStore: nodeStore(desiredImage('v1', { digestOf: 'b' })) });
    expect(replaced.actions).toEqual(['announceRemoval when announced']);
  });

  test('removes an image that the operator has let go also when no status can be written', () => {
    expect(plan({ removals: removal({ phase: 'Deleting', removeTime: time }) }).actions).toEqual(['remove']);
  });

  test('forgets the removal of an image that is desired again', () => {
    expect(plan({ removals: leaving, nodeStore: nodeStore(desiredImage()) }).actions).toEqual(['cancelRemoval']);
  });

  test('plans again when the first of its pauses ends', () => {
    const leftovers = [{ name: 'x', deaths: 1, retryTime: time + 20_000 }] as unknown as Observed['leftovers'];
    const removals = removal({ phase: 'Deleting', removeTime: time + 30_000 });
    expect(plan({ leftovers, removals }).requeueAfterSeconds).toBe(20);
  });

  test('says nothing new when nothing has changed', () => {
    const first = plan({ nodeStore: nodeStore(desiredImage()) });
    expect(plan({ nodeStore: nodeStore(desiredImage()), before: first.status }).status).toEqual(first.status);
  });
});

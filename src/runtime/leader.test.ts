import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from './errors.ts';
import { LeaderElector, LeadershipLostError } from './leader.ts';
import type { LeasePort, LeaseRecord, StoredLease } from './leader.ts';
import { aborted } from './time.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A lease with the rules of the API server: a write with an old resourceVersion is refused. */
function leaseInMemory(initial?: LeaseRecord) {
  let stored: StoredLease | undefined = initial && { record: initial, resourceVersion: '1' };
  const refused = () => new ApiError({ code: 409, reason: 'Conflict', message: 'changed' });
  const lease = {
    reachable: true,
    writes: 0,
    get record() {
      return stored?.record;
    },
    /** As another candidate would. */
    put(record: LeaseRecord) {
      stored = { record, resourceVersion: String(Number(stored?.resourceVersion ?? 0) + 1) };
      return stored;
    },
  };
  const reach = async <T>(answer: () => T): Promise<T> => {
    if (!lease.reachable) throw new Error('unreachable');
    return Promise.resolve(answer());
  };
  const write = (record: LeaseRecord, expected: string | undefined) =>
    reach(() => {
      if (stored?.resourceVersion !== expected) throw refused();
      lease.writes++;
      return lease.put(record);
    });
  const port: LeasePort = {
    get: () => reach(() => stored),
    create: (record) => write(record, undefined),
    update: (record, version) => write(record, version),
  };
  return { lease, port };
}

const heldBy = (holderIdentity: string, renewTime = '2026-01-01T00:00:00.000Z'): LeaseRecord => ({
  holderIdentity,
  leaseDurationSeconds: 15,
  acquireTime: renewTime,
  renewTime,
  leaseTransitions: 4,
});

function start(port: LeasePort, identity = 'me') {
  const elector = new LeaderElector({ lease: port, identity, logger: pino({ level: 'silent' }), random: () => 0 });
  const stop = new AbortController();
  const state: { lead?: AbortSignal; outcome?: unknown } = {};
  const ended = Promise.withResolvers<undefined>();
  const run = elector.run(stop.signal, async (signal) => {
    state.lead = signal;
    await aborted(signal);
    await ended.promise;
  });
  void run.then(
    () => (state.outcome = 'ended'),
    (error: unknown) => (state.outcome = error),
  );
  return { elector, stop, state, endLead: () => ended.resolve(undefined) };
}
const seconds = (n: number) => vi.advanceTimersByTimeAsync(n * 1000);

describe('becoming the leader', () => {
  test('at once when there is no lease', async () => {
    const { lease, port } = leaseInMemory();
    const { elector, state } = start(port);
    await seconds(0);
    expect(elector.isLeader()).toBe(true);
    expect(state.lead?.aborted).toBe(false);
    expect(lease.record).toMatchObject({ holderIdentity: 'me', leaseDurationSeconds: 15, leaseTransitions: 0 });
  });

  test('at once when the last leader gave it back', async () => {
    const { lease, port } = leaseInMemory(heldBy(''));
    const { elector } = start(port);
    await seconds(0);
    expect(elector.isLeader()).toBe(true);
    expect(lease.record).toMatchObject({ holderIdentity: 'me', leaseTransitions: 5 });
  });

  test('only when the lease did not change for its duration, however old the times in it are', async () => {
    const { lease, port } = leaseInMemory(heldBy('other', '2001-01-01T00:00:00.000Z'));
    const { elector } = start(port);
    await seconds(10);
    lease.put(heldBy('other', '2001-01-01T00:00:10.000Z'));
    await seconds(14.9);
    expect(elector.isLeader()).toBe(false);
    await seconds(4);
    expect(elector.isLeader()).toBe(true);
  });

  test('never while another renews', async () => {
    const { lease, port } = leaseInMemory(heldBy('other'));
    const { elector } = start(port);
    for (let i = 0; i < 30; i++) {
      lease.put(heldBy('other'));
      await seconds(10);
    }
    expect([elector.isLeader(), lease.writes]).toEqual([false, 0]);
  });
});

describe('staying the leader', () => {
  test('by renewing every two seconds, keeping when it was acquired', async () => {
    const { lease, port } = leaseInMemory();
    const { elector } = start(port);
    await seconds(0);
    const first = lease.record;
    await seconds(60);
    expect(elector.isLeader()).toBe(true);
    expect(lease.writes).toBe(31);
    expect(lease.record?.acquireTime).toBe(first?.acquireTime);
    expect(lease.record?.renewTime).not.toBe(first?.renewTime);
  });

  test('with less time for a write the longer the last renewal is ago, and none for a former leader', async () => {
    const { lease, port } = leaseInMemory();
    const { elector } = start(port);
    expect(elector.writeSeconds()).toBe(0);
    await seconds(0);
    expect(elector.writeSeconds()).toBe(13.5);
    lease.reachable = false;
    await seconds(9);
    // Others may lead 15 s after the renewal.
    expect(elector.writeSeconds()).toBe(4.5);
    await seconds(2);
    expect(elector.writeSeconds()).toBe(0);
  });

  test('through a failure shorter than the renew deadline', async () => {
    const { lease, port } = leaseInMemory();
    const { elector, state } = start(port);
    await seconds(0);
    lease.reachable = false;
    await seconds(8);
    lease.reachable = true;
    await seconds(60);
    expect(elector.isLeader()).toBe(true);
    expect(state.lead?.aborted).toBe(false);
  });
});

describe('losing leadership', () => {
  test('when it could not be renewed for the renew deadline', async () => {
    const { lease, port } = leaseInMemory();
    const { elector, state } = start(port);
    await seconds(0);
    lease.reachable = false;
    await seconds(9.9);
    expect(elector.isLeader()).toBe(true);
    await seconds(0.2);
    expect(elector.isLeader()).toBe(false);
    expect(state.lead?.aborted).toBe(true);
    expect(state.outcome).toBeInstanceOf(LeadershipLostError);
  });

  test('when another has taken it', async () => {
    const { lease, port } = leaseInMemory();
    const { elector, state } = start(port);
    await seconds(0);
    lease.put(heldBy('other'));
    await seconds(4);
    expect(elector.isLeader()).toBe(false);
    expect(state.outcome).toBeInstanceOf(LeadershipLostError);
    expect(lease.record?.holderIdentity).toBe('other');
  });

  test('is noticed by the fence alone when the process was stalled', async () => {
    const { port } = leaseInMemory();
    const { elector } = start(port);
    await seconds(0);
    const now = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(now + 10_000);
    expect(elector.isLeader()).toBe(false);
    vi.restoreAllMocks();
  });
});

describe('stopping', () => {
  test('keeps the lease until the work has ended, then gives it back', async () => {
    const { lease, port } = leaseInMemory();
    const { elector, stop, state, endLead } = start(port);
    await seconds(0);
    stop.abort();
    await seconds(20);
    expect(state.lead?.aborted).toBe(true);
    expect([elector.isLeader(), lease.record?.holderIdentity]).toEqual([true, 'me']);
    endLead();
    await seconds(0);
    expect([elector.isLeader(), lease.record?.holderIdentity, state.outcome]).toEqual([false, '', 'ended']);
  });

  test('while waiting changes nothing', async () => {
    const { lease, port } = leaseInMemory(heldBy('other'));
    const { stop, state } = start(port);
    await seconds(1);
    stop.abort();
    await seconds(0);
    expect([lease.writes, state.lead, state.outcome]).toEqual([0, undefined, 'ended']);
  });
});

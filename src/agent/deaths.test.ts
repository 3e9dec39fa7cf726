import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DesiredImage } from '../api/nodestore.ts';
import { findCondition } from '../runtime/conditions.ts';
import { FetchError } from '../image/failure.ts';
import { begin, readDeaths } from './store/begun.ts';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../test/fixtures/agent/images.ts';
import { agentOf } from '../../test/fixtures/agent/agent.ts';

describe('an agent that dies while it fetches an image', () => {
  /** Starts agents over one store, each of which dies when it fetches v1; gives the last. */
  async function afterDeaths(deaths: number, images: DesiredImage[]) {
    const endless = { fetch: () => new Promise<never>(() => undefined) };
    let it = await agentOf(images, endless);
    for (let death = 1; death <= deaths; death++) {
      await it.settle('v1 Fetching' + (death > 1 ? ' AgentDied' : ''));
      // The next one finds what is on the disk, and the last status.
      const { paths, store, clock } = it;
      it = await agentOf(images, { ...(death < deaths && endless), paths }, store.status);
      it.clock.now = clock.now;
      if (death < deaths) {
        await it.settle('v1 Pending AgentDied');
        it.clock.now += 300_000;
      }
    }
    return it;
  }

  test('has made a try, and the next agent waits before it makes another', async () => {
    const it = await afterDeaths(1, [desiredImage()]);
    await it.settle('v1 Pending AgentDied');
    expect(it.store.status?.images).toMatchObject([{ attempts: 1, retryTime: '2026-01-01T12:00:05Z' }]);
    expect(it.store.status?.images?.[0]?.message).toMatch(/^The agent of this node died once while /);
    it.clock.now += 5_000;
    await it.settle('v1 Ready');
  });

  test('three times in a row leaves it Failed, with a long pause', async () => {
    const it = await afterDeaths(3, [{ ...desiredImage(), backoffLimit: 100 }]);
    await it.settle('v1 Failed AgentDied');
    expect(it.store.status?.images).toMatchObject([{ attempts: 3, retryTime: '2026-01-01T13:10:00Z' }]);
    expect(it.store.status?.conditions).toContainEqual(expect.objectContaining({ type: 'Stalled', status: 'True' }));
  });

  test('does not keep other images from being stored', async () => {
    const it = await afterDeaths(1, [desiredImage()]);
    it.store.spec.images.push(desiredImage('v2'));
    await it.settle('v1 Pending AgentDied', 'v2 Ready');
  });

  test('and a try that fails in order is no death', async () => {
    const failing = { fetch: () => Promise.reject(new FetchError('HTTPStatus', 'x answered 500')) };
    const first = await agentOf([desiredImage()], failing);
    await first.settle('v1 Pending HTTPStatus');
    const second = await agentOf([desiredImage()], { paths: first.paths }, first.store.status);
    await second.settle('v1 Pending HTTPStatus');
    const stopped = await agentOf([desiredImage()], {
      fetch: (_image, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    });
    await stopped.settle('v1 Fetching');
    await stopped.agent.stop();
    const next = await agentOf([desiredImage()], { paths: stopped.paths }, stopped.store.status);
    await next.settle('v1 Ready');
  });
});

describe('an agent that dies while it deletes', () => {
  /** As that agent left it: the record is written before a deletion begins. */
  async function died(times: number) {
    const { paths } = await fetchPorts();
    const name = 'debian-12.v0.id1';
    for (let deaths = 0; deaths < times; deaths++) await begin(paths, 'delete', name, { fingerprint: '', deaths });
    await mkdir(join(paths.trash, name, 'root'), { recursive: true });
    await mkdir(join(paths.trash, 'debian-12.v9.id2', 'root'), { recursive: true });
    return { paths, left: () => readdir(paths.trash), records: () => readDeaths(paths, 'delete') };
  }
  const conditionOf = ({ store }: Awaited<ReturnType<typeof agentOf>>, type: string) => {
    const found = findCondition(store.status?.conditions, type);
    return `${found?.status} ${found?.reason}`;
  };

  test('leaves that for later and says so, and the next one deletes all else and stores images', async () => {
    const { paths, left, records } = await died(1);
    const it = await agentOf([desiredImage()], { paths });
    expect(await left()).toEqual(['debian-12.v0.id1']);
    expect(await it.settle('v1 Ready')).toEqual([]);
    expect(await left()).toEqual(['debian-12.v0.id1']);
    expect([conditionOf(it, 'Ready'), conditionOf(it, 'Reconciling')]).toEqual([
      'True AllStored',
      'True RemovalRetrying',
    ]);
    expect(findCondition(it.store.status?.conditions, 'Reconciling')?.message).toMatch(
      /^The agent of this node died once while it deleted trash\/debian-12\.v0\.id1 /,
    );
    it.clock.now += 4_999;
    await it.settle('v1 Ready');
    expect(await left()).toEqual(['debian-12.v0.id1']);
    it.clock.now += 1;
    await it.settle('v1 Ready');
    expect([await left(), (await records()).size]).toEqual([[], 0]);
    expect(conditionOf(it, 'Reconciling')).toBe('False Done');
  });

  test('three times in a row says that a person must act, and tries again after an hour', async () => {
    const { paths, left } = await died(3);
    const it = await agentOf([desiredImage()], { paths });
    await it.settle('v1 Ready');
    expect([conditionOf(it, 'Stalled'), conditionOf(it, 'Reconciling')]).toEqual(['True RemovalFailed', 'False Done']);
    it.clock.now += 3_599_999;
    await it.settle('v1 Ready');
    expect(await left()).toEqual(['debian-12.v0.id1']);
    it.clock.now += 1;
    await it.settle('v1 Ready');
    expect([await left(), conditionOf(it, 'Stalled')]).toEqual([[], 'False Done']);
  });

  test('what was being made is no exception', async () => {
    const { paths } = await fetchPorts();
    const name = 'debian-12.v0.id1';
    await mkdir(join(paths.staging, name, 'tree'), { recursive: true });
    await begin(paths, 'delete', name, { fingerprint: '', deaths: 0 });
    const it = await agentOf([desiredImage()], { paths });
    await it.settle('v1 Ready');
    expect([await readdir(paths.staging), await readdir(paths.trash)]).toEqual([[], [name]]);
    it.clock.now += 5_000;
    await it.settle('v1 Ready');
    expect(await readdir(paths.trash)).toEqual([]);
  });
});

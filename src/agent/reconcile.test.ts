import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../runtime/errors.ts';
import { FetchError } from '../image/failure.ts';
import type { AgentPorts } from './reconcile.ts';
import { listStore } from './store/list.ts';
import { entryPath, storePaths } from './store/paths.ts';
import { moveToTrash } from './store/remove.ts';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import { agentOf } from '../../test/fixtures/agent/agent.ts';

test('all that is desired is stored, one after the other', async () => {
  const it = await agentOf([desiredImage(), desiredImage('v2')]);
  await it.settle('v1 Ready', 'v2 Ready');
});

test('nothing is written when nothing has changed', async () => {
  const it = await agentOf([desiredImage()]);
  await it.settle('v1 Ready');
  const before = it.writes.length;
  it.clock.now += 3_600_000;
  await it.settle('v1 Ready');
  expect(it.writes).toHaveLength(before);
  expect(it.store.status?.store?.usedBytes).toBe(5);
});

test('an image is announced as Deleting before it goes, and goes after the time of grace', async () => {
  const it = await agentOf([]);
  await it.publish(desiredImage());
  await it.settle('v1 Deleting NotWanted');
  it.clock.now += 9_999;
  await it.settle('v1 Deleting NotWanted');
  it.clock.now += 1;
  await it.settle();
});

test('nothing goes before its announcement is written', async () => {
  const it = await agentOf([], { writeStatus: () => Promise.reject(new Error('The API server is away')) });
  await it.publish(desiredImage());
  await it.settle();
  it.clock.now += 3_600_000;
  expect(await it.settle()).not.toEqual([]);
  await expect(mkdir(entryPath(it.paths, desiredImage()))).rejects.toThrow('EEXIST');
});

test.each([
  ['is not valid', 422],
  ['is too large for the API server', 413],
  ['is too large for etcd', 500],
])('a status that %s keeps nothing in the store that no one wants', async (_name, code) => {
  const refusal = new ApiError({ code, reason: 'Invalid', message: 'NodeStore is invalid' });
  const it = await agentOf([desiredImage('v2')], { writeStatus: () => Promise.reject(refusal) });
  await it.publish(desiredImage());
  expect(await it.settle()).toContain(refusal);
  it.clock.now += 10_000;
  await it.settle();
  expect(existsSync(entryPath(it.paths, desiredImage()))).toBe(false);
  expect(existsSync(entryPath(it.paths, desiredImage('v2')))).toBe(false);
});

test('Pods that cannot be listed keep what they may use, and keep nothing else from being stored', async () => {
  const it = await agentOf([desiredImage('v2')], {
    listPods: () => Promise.reject(new Error('The API server is away')),
  });
  await it.publish(desiredImage());
  expect(await it.settle('v2 Ready', 'v1 Ready')).not.toEqual([]);
});

test('back-off survives a restart of the agent', async () => {
  const failing = { fetch: () => Promise.reject(new FetchError('NoSpace', 'The disk is full')) };
  const first = await agentOf([desiredImage()], failing);
  await first.settle('v1 Pending NoSpace');
  expect(first.store.status?.images).toMatchObject([
    { state: 'Pending', attempts: 1, retryTime: '2026-01-01T12:00:05Z' },
  ]);

  const second = await agentOf([desiredImage()], failing, first.store.status);
  await second.settle('v1 Pending NoSpace');
  expect(second.store.status?.images).toMatchObject([{ attempts: 1 }]);
  second.clock.now += 5_000;
  await second.settle('v1 Pending NoSpace');
  expect(second.store.status?.images).toMatchObject([{ attempts: 2, reason: 'NoSpace', message: 'The disk is full' }]);
});

test('a fetch that no one wants any more is cancelled', async () => {
  const stopped: string[] = [];
  const fetch: AgentPorts['fetch'] = (image, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        stopped.push(image.version);
        reject(new Error('stopped'));
      });
    });
  const it = await agentOf([desiredImage()], { fetch });
  await it.settle('v1 Fetching');
  it.store.spec.images = [desiredImage('v2')];
  await it.settle('v2 Fetching');
  expect(stopped).toEqual(['v1']);
  await it.agent.stop();
  expect(stopped).toEqual(['v1', 'v2']);
});

test('without a NodeStore nothing is touched', async () => {
  const it = await agentOf([], { readNodeStore: () => undefined });
  await it.publish(desiredImage());
  await it.settle();
  expect(it.writes).toEqual([]);
  await expect(mkdir(entryPath(it.paths, desiredImage()))).rejects.toThrow('EEXIST');
});

test('fetches run side by side, and one that is cancelled leaves the other', async () => {
  const stopped: string[] = [];
  const fetch: AgentPorts['fetch'] = (image, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        stopped.push(image.version);
        reject(new Error('stopped'));
      });
    });
  const settings = { minFree: { bytes: 1 }, maxConcurrentFetches: 2 };
  const it = await agentOf([desiredImage(), desiredImage('v2'), desiredImage('v3')], { fetch, settings });
  await it.settle('v1 Fetching', 'v2 Fetching', 'v3 Pending Queued');
  it.store.spec.images = [desiredImage('v2'), desiredImage('v3')];
  await it.settle('v2 Fetching', 'v3 Fetching');
  expect(stopped).toEqual(['v1']);
  await it.agent.stop();
  expect(stopped.sort()).toEqual(['v1', 'v2', 'v3']);
});

describe('a retained image', () => {
  const retained = desiredImage('v1', { retained: true });

  test('makes room for one that finds none, which is then tried at once', async () => {
    let tried = 0;
    const it: Awaited<ReturnType<typeof agentOf>> = await agentOf([retained, desiredImage('v2')], {
      fetch: (image) => {
        tried += 1;
        const options = { verified: true };
        if (existsSync(entryPath(it.paths, retained))) throw new FetchError('NoSpace', 'The disk is full', options);
        return it.publish(image);
      },
    });
    await it.publish(retained);
    await it.settle('v1 Deleting Evicted', 'v2 Pending NoSpace');
    // Its own next try would be due, but would fail as well.
    it.clock.now += 9_999;
    await it.settle('v1 Deleting Evicted', 'v2 Pending NoSpace');
    expect(tried).toBe(1);
    it.clock.now += 1;
    await it.settle('v2 Ready');
    expect(tried).toBe(2);
    // What was given up is not fetched again, though the operator still says to retain it.
    it.clock.now += 3_600_000;
    await it.settle('v2 Ready');
    expect(tried).toBe(2);
  });

  test('stays while a Pod uses it, however short the disk is', async () => {
    const path = { paths: storePaths('') };
    const it = await agentOf([retained], {
      settings: { minFree: { bytes: Number.MAX_SAFE_INTEGER }, maxConcurrentFetches: 1 },
      listPods: () =>
        Promise.resolve([
          {
            metadata: { namespace: 'a', name: 'b' },
            spec: { volumes: [{ hostPath: { path: entryPath(path.paths, retained) } }] },
          },
        ]),
    });
    path.paths = it.paths;
    await it.publish(retained);
    await it.settle('v1 Ready Retained');
    it.clock.now += 3_600_000;
    await it.settle('v1 Ready Retained');
  });

  test('stays when the API server cannot be asked, however short the disk is', async () => {
    const it = await agentOf([retained], {
      settings: { minFree: { bytes: Number.MAX_SAFE_INTEGER }, maxConcurrentFetches: 1 },
      listPods: () => Promise.reject(new Error('The API server is away')),
    });
    await it.publish(retained);
    expect(await it.settle('v1 Ready Retained')).not.toEqual([]);
  });
});

test('an image that stayed in the trash, because its removal failed, is back at the next run', async () => {
  const it = await agentOf([desiredImage()]);
  await it.settle('v1 Ready');
  await moveToTrash(it.paths, desiredImage(), 'failed');
  await it.settle('v1 Ready');
  expect((await listStore(it.paths)).images.map(({ version }) => version)).toEqual(['v1']);
});

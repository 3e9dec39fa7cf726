import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import type { NodeStore, NodeStoreStatus, DesiredImage } from '../api/nodestore.ts';
import { ApiError } from '../runtime/errors.ts';
import { findCondition } from '../runtime/conditions.ts';
import { expectValidStatus } from '../runtime/status.ts';
import { FetchError } from '../image/failure.ts';
import { createAgent } from './reconcile.ts';
import type { AgentPorts } from './reconcile.ts';
import { begin, readDeaths } from './store/begun.ts';
import { writeImageFile } from './store/image-file.ts';
import { listStore } from './store/list.ts';
import { entryPath, storePaths } from './store/paths.ts';
import { moveToTrash } from './store/remove.ts';
import { storedImage, desiredImage } from '../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../test/fixtures/agent/images.ts';

const name = 'node-1';
const logger = pino({ level: 'silent' });

/** An agent on a real disk whose NodeStore is a variable. `settle` reconciles as long as it is asked to. */
async function agentOf(images: DesiredImage[], changes: Partial<AgentPorts> = {}, status?: NodeStoreStatus) {
  const { paths, uniqueId } = await fetchPorts(changes.paths && { paths: changes.paths });
  const writes: NodeStoreStatus[] = [];
  const store: NodeStore = {
    apiVersion: '',
    kind: '',
    metadata: { name, generation: 1 },
    spec: { images },
    ...(status && { status }),
  };
  const clock = { now: Date.parse('2026-01-01T12:00:00Z') };
  let asked = 0;
  const publish = async (image: DesiredImage) => {
    await mkdir(entryPath(paths, image), { recursive: true });
    await writeImageFile(entryPath(paths, image), storedImage(image.version, { digest: image.digest }));
  };
  const agent = createAgent({
    checkPlace: () => Promise.resolve(),
    paths,
    uniqueId,
    now: () => new Date(clock.now),
    random: () => 0,
    settings: { minFree: { bytes: 1 }, maxConcurrentFetches: 1 },
    readNodeStore: () => store,
    writeStatus: (written) => {
      store.status = written;
      writes.push(written);
      expectValidStatus(store);
      return Promise.resolve(undefined);
    },
    listPods: () => Promise.resolve([]),
    fetch: publish,
    verify: () => Promise.resolve(undefined),
    usedBytes: () => Promise.resolve(5),
    verifyIntervals: { seconds: 3_600, contentSeconds: 86_400 },
    enqueue: () => (asked += 1),
    logger,
    ...changes,
  });
  const context = { logger, signal: new AbortController().signal };
  const states = () =>
    (store.status?.images ?? []).map(({ version, state, reason = '' }) => `${version} ${state} ${reason}`.trim());
  /** Reconciles as often as asked to, at least once, until the status tells these states; gives what was thrown. */
  const settle = async (...expected: string[]) => {
    const failures: unknown[] = [];
    const deadline = performance.now() + 10_000;
    let before: number;
    do {
      before = asked;
      await agent
        .reconcile({ key: name, namespace: '', name }, context)
        .catch((error: unknown) => failures.push(error));
      await setImmediate();
    } while ((asked > before || !isDeepStrictEqual(states(), expected)) && performance.now() < deadline);
    expect(states()).toEqual(expected);
    return failures;
  };
  return { agent, store, clock, writes, settle, publish, paths };
}

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

test('a changed image is announced, removed and fetched again', async () => {
  const fetched: string[] = [];
  let difference: string | undefined = 'root/etc/x is missing';
  const it = await agentOf([desiredImage()], {
    fetch: async (image) => {
      fetched.push(image.version);
      difference = undefined;
      await it.publish(image);
    },
    verify: () => Promise.resolve(difference),
  });
  await it.publish(desiredImage());
  await it.settle('v1 Pending TreeChanged');
  expect(it.store.status?.images?.[0]?.message).toContain('root/etc/x is missing');
  it.clock.now += 10_000;
  await it.settle('v1 Ready');
  expect(fetched).toEqual(['v1']);
});

test('a changed image stays while a Pod uses it, and is not Ready after a restart of the agent either', async () => {
  const changes: Partial<AgentPorts> = { verify: () => Promise.resolve('root/etc/x is missing') };
  const first = await agentOf([desiredImage()], changes);
  changes.listPods = () => {
    const path = `${entryPath(first.paths, desiredImage())}/root/usr`;
    return Promise.resolve([{ metadata: { name: 'web' }, spec: { volumes: [{ hostPath: { path } }] } }]);
  };
  const it = await agentOf([desiredImage()], { ...changes, paths: first.paths });
  await first.publish(desiredImage());
  await it.settle('v1 Failed TreeChanged');

  const states: string[] = [];
  const second = await agentOf(
    [desiredImage()],
    { ...changes, paths: first.paths, verify: () => new Promise(() => undefined) },
    it.store.status,
  );
  await second.settle('v1 Failed TreeChanged');
  for (const { images } of second.writes) states.push(images?.[0]?.state ?? '');
  expect(states).not.toContain('Ready');
});

test('what was found by reading stands until reading finds nothing', async () => {
  const answers: Record<string, string | undefined> = { true: 'root/etc/x has another content' };
  const it = await agentOf([desiredImage()], {
    verify: (_image, content) => Promise.resolve(answers[String(content)]),
    listPods: () => Promise.reject(new Error('The API server is away')),
  });
  await it.publish(desiredImage());
  await it.settle('v1 Ready');
  it.clock.now += 86_400_000;
  await it.settle('v1 Pending TreeChanged');
  it.clock.now += 3_600_000;
  await it.settle('v1 Pending TreeChanged');
  delete answers.true;
  it.clock.now += 3_600_000;
  await it.settle('v1 Ready');
});

test('a verification that fails is reported and takes nothing away', async () => {
  const it = await agentOf([desiredImage()], { verify: () => Promise.reject(new Error('Input/output error')) });
  await it.publish(desiredImage());
  await it.settle('v1 Ready NotVerified');
  expect(it.store.status?.images?.[0]?.message).toContain('Input/output error');
});

test('an agent that dies while it verifies an image tells so, and the next one looks at others first', async () => {
  const first = await agentOf([desiredImage(), desiredImage('v2')]);
  await first.settle('v1 Ready', 'v2 Ready');
  await first.agent.stop();
  const { paths, clock, store } = first;
  const looked: string[] = [];
  const dead = Promise.withResolvers<undefined>();
  /** An agent over the same store that dies of v1; gives the next one. */
  const next = async (dies: boolean) => {
    const it = await agentOf(
      store.spec.images,
      {
        paths,
        verify: (image) => {
          looked.push(image.version);
          if (!dies || image.version !== 'v1') return Promise.resolve(undefined);
          dead.resolve(undefined);
          return new Promise(() => undefined);
        },
      },
      store.status,
    );
    it.clock.now = clock.now + 1000;
    return it;
  };
  const dying = await next(true);
  await dying.settle('v1 Ready', 'v2 Ready');
  await dead.promise;
  looked.length = 0;
  const last = await next(false);
  await vi.waitFor(async () => {
    await last.settle('v1 Ready NotVerified', 'v2 Ready');
    expect(looked).toEqual(['v2']);
  }, 10_000);
  expect(last.store.status?.images?.[0]?.message).toContain('the agent of this node died once while it');
  last.clock.now += 5_000;
  await last.settle('v1 Ready', 'v2 Ready');
  expect(looked).toEqual(['v2', 'v1']);
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

test('a stop ends a verification', async () => {
  let stopped = false;
  const begun = Promise.withResolvers<undefined>();
  const it = await agentOf([desiredImage()], {
    verify: (_image, _content, signal) =>
      new Promise((_resolve, reject) => {
        begun.resolve(undefined);
        signal.addEventListener('abort', () => {
          stopped = true;
          reject(new Error('stopped'));
        });
      }),
  });
  await it.publish(desiredImage());
  await it.settle('v1 Ready');
  await begun.promise;
  await it.agent.stop();
  expect(stopped).toBe(true);
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

import { expect, test, vi } from 'vitest';
import type { AgentPorts } from './reconcile.ts';
import { entryPath } from './store/paths.ts';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import { agentOf } from '../../test/fixtures/agent/agent.ts';

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

import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventsOf } from '../../hack/lib/kube/explain.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import { serveFiles } from './lib/files.ts';
import { activated, provide, spread, store } from './lib/images.ts';
import {
  applyContainer,
  hostedContainers,
  messageOf,
  page,
  patchContainer,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { has, kubectl, namespace } from './lib/system.ts';

/** Which image a container runs for what it asks for. The OS is the test's own, and so is its default version. */

const [v1, v2, v3] = ['resolve:v1', 'resolve:v2', 'resolve:v3'] as const;
const containers = ['exact', 'follower', 'later', 'fallback', 'strict'];
const podOf = (name: string) => kubectl.get(pods, { name, namespace });

beforeAll(async () => {
  await serveFiles();
  await provide(v1, v2);
  await spread(v1, { activate: { newContainers: true } });
  await activated(v1);
});
afterAll(() => remove({ containers, images: [v1, v2, v3] }));

test.concurrent('a fixed version is what runs', async () => {
  await applyContainer('exact', { image: v2 });
  const container = await upToDate('exact', v2);
  expect(has(container, 'ImageResolved', 'True/Exact')).toBe(true);
  expect(container.status?.assignedImage).toBeUndefined();
  expectValidStatus(container);
});

test.concurrent(
  'an OS without a version is its default version, written down in status and nowhere in spec',
  async () => {
    await applyContainer('follower', { image: 'resolve' });
    const container = await upToDate('follower', v1);
    expect(has(container, 'ImageResolved', 'True/DefaultVersion')).toBe(true);
    expect(container.status?.assignedImage).toBe(v1);
    expect(container.spec.image).toBe('resolve');
  },
);

test.concurrent(
  'a new container whose image does not exist runs the default version, with a warning; a strict one waits',
  async () => {
    await applyContainer('fallback', { image: v3 });
    await applyContainer('strict', { image: v3, imagePolicy: 'Strict' });
    const container = await untilContainer(
      'fallback',
      'runs the default version',
      (c) => has(c, 'Ready', 'True/Running') && c.status?.image === v1,
    );
    expect(has(container, 'ImageResolved', 'True/FallbackToDefault')).toBe(true);
    expect(messageOf(container, 'ImageResolved')).toContain('There is no OSImage resolve.v3');
    const told = await eventsOf(kubectl, hostedContainers, { name: 'fallback', namespace });
    expect(told.find((event) => event.reason === 'FallbackToDefault')).toMatchObject({ type: 'Warning' });

    const waiting = await untilContainer('strict', 'waits for its image', (c) =>
      has(c, 'ImageResolved', 'False/UnknownImage'),
    );
    expect(has(waiting, 'Ready', 'False/UnknownImage')).toBe(true);
    expect(messageOf(waiting, 'Ready')).toContain('create it, or change spec.image');
    expect(await podOf('strict')).toBeUndefined();
  },
);

test('both move to the version that they asked for when it becomes Ready', async () => {
  await store(v3);
  for (const name of ['fallback', 'strict']) {
    const container = await upToDate(name, v3);
    expect(has(container, 'ImageResolved', 'True/Exact')).toBe(true);
    expect(await page(name)).toBe(`${namespace}/${name} on ${v3}`);
  }
});

test('a running container whose image becomes unknown keeps running what it has', async () => {
  const before = await podOf('exact');
  await patchContainer('exact', { image: 'resolve:v9' });
  const container = await untilContainer('exact', 'says that there is no such image', (c) =>
    has(c, 'ImageResolved', 'False/UnknownImage'),
  );
  expect(container.status?.image).toBe(v2);
  expect(has(container, 'Ready', 'True/Running')).toBe(true);
  expect(has(container, 'Upgraded', 'Unknown/ImageNotResolved')).toBe(true);
  expect((await podOf('exact'))?.metadata.uid).toBe(before?.metadata.uid);
  expect(await page('exact')).toContain(v2);
});

test('another default version is for new containers: one that follows already stays where it is', async () => {
  const before = await podOf('follower');
  await spread(v2, { activate: { newContainers: true } });
  await activated(v2);
  await applyContainer('later', { image: 'resolve' });
  await upToDate('later', v2);
  const container = await upToDate('follower', v1);
  expect(container.status?.assignedImage).toBe(v1);
  expect((await podOf('follower'))?.metadata.uid).toBe(before?.metadata.uid);
});

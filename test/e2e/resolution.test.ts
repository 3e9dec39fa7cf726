import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventsOf } from '../../hack/lib/kube/explain.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { nodes } from '../../src/kube/resources.ts';
import { serveFiles } from './lib/files.ts';
import { activated, provide, spread, store } from './lib/images.ts';
import {
  applyContainer,
  distributed,
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

const [v1, v2, v3, v4] = ['resolve:v1', 'resolve:v2', 'resolve:v3', 'resolve:v4'] as const;
const containers = ['exact', 'follower', 'later', 'fallback', 'strict', 'parked', 'parked-trial'];
const podOf = (name: string) => kubectl.get(pods, { name, namespace });

beforeAll(async () => {
  await serveFiles();
  await provide(v1, v2);
  await spread(v1, { activate: { newContainers: true } });
  await activated(v1);
});
afterAll(() => remove({ containers, images: [v1, v2, v3, v4] }));

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

test('a container that names no version any more keeps the one that it runs', async () => {
  const before = await podOf('strict');
  await patchContainer('strict', { image: 'resolve' });
  await untilContainer('strict', 'follows', (c) => c.status?.assignedImage === v3);
  await upToDate('strict', v3);
  expect((await podOf('strict'))?.metadata.uid).toBe(before?.metadata.uid);
});

test('without its Pod a container runs its last known good while no node that it may use has its version', async () => {
  const [node, other] = (await kubectl.list(nodes)).map(({ metadata }) => metadata.name);
  const hostname = 'kubernetes.io/hostname';
  for (const name of ['parked', 'parked-trial']) {
    await applyContainer(name, { image: v2, podTemplate: { nodeSelector: { [hostname]: node } } });
  }
  await upToDate('parked', v2);
  await upToDate('parked-trial', v2);
  await store(v4, { selector: { matchLabels: { [hostname]: other ?? '' } } });
  await distributed(v4, 120);
  await patchContainer('parked', { image: v4 });
  const stalled = (c: HostedContainer) => has(c, 'Stalled', 'True/WaitingForNode') && has(c, 'Ready', 'True/Running');
  await untilContainer('parked', 'says that nothing brings the image to its node', stalled);
  const before = await podOf('parked');
  await kubectl.run(['-n', namespace, 'delete', 'pod', 'parked', '--wait=false']);
  const container = await untilContainer(
    'parked',
    'runs the version that was good',
    (c) => stalled(c) && c.status?.podIP !== undefined && c.status.podIP !== before?.status?.podIP,
  );
  expect(container.status?.image).toBe(v2);
  expect((await podOf('parked'))?.metadata.uid).not.toBe(before?.metadata.uid);
  expect(await page('parked')).toContain(v2);
  await spread(v4);
  await upToDate('parked', v4);
});

test('a condemned version that is asked for is for a person, and who runs it well keeps it', async () => {
  await kubectl.run(['annotate', 'osimage', 'resolve.v1', 'monoroot.dev/condemned=it ate data']);
  await patchContainer('later', { image: v1 });
  const container = await untilContainer('later', 'is stalled', (c) => has(c, 'Stalled', 'True/ImageCondemned'));
  expect(has(container, 'Reconciling', 'False/Settled')).toBe(true);
  expect(messageOf(container, 'Stalled')).toContain('it ate data');
  expect(container.status?.image).toBe(v2);
  await patchContainer('follower', { restartToken: 'again' });
  await upToDate('follower', v1);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { apiVersion } from '../../src/api/names.ts';
import { hostedContainers, imageDistributions, osImages } from '../../src/kube/kinds.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { serveFiles } from './lib/files.ts';
import { store } from './lib/images.ts';
import { applyContainer, remove } from './lib/objects.ts';
import { fieldManager, has, kubectl, namespace, until } from './lib/system.ts';

/** What counts against an image: a fleet of which some were down before it is moved. One distribution, edited. */

const os = 'steady';
const followers = Array.from({ length: 20 }, (_, i) => `steady-${String(i + 1).padStart(2, '0')}`);
const broken = ['steady-03', 'steady-08', 'steady-15'];
const list = () => kubectl.list(hostedContainers, { namespace, labelSelector: 'fleet=evidence' });
const isReady = ({ status }: HostedContainer) => findCondition(status?.conditions, 'Ready')?.status === 'True';

const follower = (name: string, spec: object = {}) =>
  applyContainer(name, { image: os, upgrade: { minReadySeconds: 1 }, ...spec }, { fleet: 'evidence' });

const distribute = (version: string, existingContainers?: object) =>
  kubectl.apply(
    [
      {
        apiVersion,
        kind: 'ImageDistribution',
        metadata: { name: os },
        spec: {
          image: `${os}:${version}`,
          activate: { newContainers: true, ...(existingContainers && { existingContainers }) },
        },
      },
    ],
    fieldManager,
  );

/** Waits until `count` of them are good on the version, and Ready. */
const running = (version: string, count: number, seconds = 240) =>
  expect
    .poll(async () => (await list()).filter((c) => isReady(c) && c.status?.image === `${os}:${version}`).length, {
      timeout: seconds * 1000,
      interval: 500,
    })
    .toBe(count);

beforeAll(serveFiles);
afterAll(async () => {
  await remove({ containers: followers });
  await kubectl.run(['delete', 'imagedistribution', os, '--ignore-not-found']);
  await remove({ images: ['v1', 'v2'].map((version) => `${os}:${version}`) });
});

test('three of twenty that were broken before keep no version from the others, and condemn none', async () => {
  for (const version of ['v1', 'v2']) await store(`${os}:${version}`, { activate: { newContainers: false } });
  await distribute('v1');
  await until(imageDistributions, { name: os }, 'is the default', (d) => has(d, 'Ready', 'True/AllNodes'), 120);
  for (const name of followers) await follower(name);
  await running('v1', followers.length);
  // Their owners break them: it is the image that they ran well.
  for (const name of broken) await follower(name, { command: ['/bin/false'] });
  await running('v1', followers.length - broken.length);

  const watched = { selector: { matchLabels: { fleet: 'evidence' } }, maxUnavailable: 4, maxFailures: 1 };
  await distribute('v2', { ...watched, canary: { count: 1, soakSeconds: 2 } });
  const done = await until(imageDistributions, { name: os }, 'is done', (d) => has(d, 'Ready', 'True/RolledOut'), 300);
  await running('v2', followers.length - broken.length);
  expect(done.status?.rollout?.haltTime).toBeUndefined();
  const image = await kubectl.get(osImages, { name: `${os}.v2` });
  expect(findCondition(image?.status?.conditions, 'Condemned')?.status).toBe('False');
  const ledgers = (await list()).flatMap(({ metadata, status }) =>
    (status?.failedImages ?? []).map((it) => [metadata.name, it.image, it.unavailableBefore]),
  );
  expect(ledgers).toEqual(broken.map((name) => [name, `${os}:v2`, true]));
});

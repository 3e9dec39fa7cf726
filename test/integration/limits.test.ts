import { afterAll, expect, inject, test } from 'vitest';
import { readyImage } from '../../src/agent/status/image-status.ts';
import { fittingImages, mostBytes as mostTold } from '../../src/agent/status/limits.ts';
import { storedImage, desiredImage } from '../fixtures/agent/desired.ts';
import { fieldManagers } from '../../src/api/names.ts';
import { mostImages } from '../../src/api/nodestore.ts';
import { bytesOf, fitting, mostBytes } from '../../src/controllers/node-limits.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { previousImagesLimit } from '../../src/api/imagedistribution.ts';
import type { HostedContainerStatus } from '../../src/api/hostedcontainer.ts';
import { beginAttempt, closeNewest, recordFailure } from '../../src/controllers/hostedcontainer/history.ts';
import { interrupt, pauses } from '../../src/controllers/interruption.ts';
import { shorten } from '../../src/controllers/osimage/observed.ts';
import { usableImage } from '../../src/pod/usable-image.ts';
import { setConditions } from '../../src/runtime/conditions.ts';
import { truncate } from '../../src/runtime/text.ts';
import { osImage } from '../fixtures/builders.ts';
import { connect } from './environment.ts';

const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());

const versions = Array.from(
  { length: mostImages },
  (_, i) => `a-version-of-30-characters.${String(i).padStart(3, '0')}`,
);
/** Bytes of one character. */
const width = (text: string) => bytesOf([text]) - bytesOf(['']);
const total = (images: readonly object[]) => images.reduce((sum, image) => sum + bytesOf(image), 0);

test.each([
  ['of letters', 'x'],
  ['of characters that the API server writes as six', '<'],
])(
  'a NodeStore that is full in number and size, with texts %s, is stored by the API server and etcd',
  async (_name, text) => {
    const name = 'full';
    const short = versions.map((version) => desiredImage(version, { os: 'an-os-with-a-name-of-30-letter' }));
    // The last few take what the rest leaves.
    let room = mostBytes - total(short);
    const images = short.map((image) => {
      const length = Math.min(65_536, Math.floor(room / width(text)) - 20);
      if (length <= 0) return image;
      const filled = { ...image, mountScript: text.repeat(length) };
      room -= bytesOf(filled) - bytesOf(image);
      return filled;
    });
    const { kept, cut } = fitting(images.map((image) => ({ image, cause: 'Distributed', assigned: false })));
    expect([kept.length, cut.length]).toEqual([mostImages, 0]);
    expect(total(kept)).toBeGreaterThan(mostBytes * 0.95);
    // An earlier version of the operator has applied a list as long; its entries stay in the managed fields.
    const old = versions.map((version) => desiredImage(version, { os: 'another-os-with-a-name-of-30-l' }));
    const { metadata } = await client.apply(
      nodeStores,
      { metadata: { name }, spec: { images: old } },
      { fieldManager: fieldManagers.operator },
    );
    await client.jsonPatch(
      nodeStores,
      { name },
      [
        { op: 'test', path: '/metadata/uid', value: metadata.uid },
        { op: 'add', path: '/spec', value: { images: kept } },
      ],
      { fieldManager: fieldManagers.operator },
    );

    const args = (size: number) => ({ defaults: { args: [text.repeat(Math.floor(size))] } });
    const each =
      (mostTold / mostImages - bytesOf(readyImage(storedImage(versions[0], { os: short[0]?.os ?? '' })))) /
        width(text) -
      30;
    const stored = short.map(({ os, version }) => readyImage(storedImage(version, { os, ...args(each) })));
    const { images: told, left } = fittingImages(stored, short);
    expect(left).toEqual([]);
    expect(total(told)).toBeGreaterThan(mostTold * 0.8);
    const status = { images: told, conditions: [], store: { usedBytes: 0, freeBytes: 0 } };
    const { status: written } = await client.applyStatus(
      nodeStores,
      { metadata: { name }, status },
      { fieldManager: fieldManagers.agent },
    );
    expect(written?.images).toHaveLength(mostImages);
    await client.delete(nodeStores, { name });
  },
);

/** Ten conditions with messages that others wrote, of characters that the API server writes as six. */
const now = new Date('2026-01-01T00:00:00Z');
const manyConditions = setConditions(
  [],
  Array.from({ length: 10 }, (_, i) => ({
    type: i === 0 ? 'Ready' : `Aspect${i}`,
    status: 'False' as const,
    reason: 'R'.repeat(128),
    message: '<'.repeat(100_000),
  })),
  1,
  now,
);
const found = usableImage(osImage(`${'o'.repeat(30)}:v1`));
if (!found || 'reason' in found) throw new Error('The image of the fixture is not usable');
const usable = found;
const longImage = `${'o'.repeat(30)}:${'v'.repeat(30)}`;
const time = now.toISOString();
const fieldManager = fieldManagers.operator;

test('a HostedContainer of which everything is as long as its writers make it', async () => {
  const name = 'n'.repeat(63);
  const metadata = { name, namespace: 'default' };
  const args = Array.from({ length: 20 }, () => '<'.repeat(4096));
  await client.apply(hostedContainers, { metadata, spec: { image: longImage, args } }, { fieldManager: 'people' });
  const failure = { reason: 'ProgressDeadlineExceeded', message: '<'.repeat(9000), logTail: '>'.repeat(9000) };
  let status: HostedContainerStatus = { observedGeneration: 1, conditions: manyConditions };
  for (let i = 0; i < 15; i++) {
    const image = { ...usable, version: `${'v'.repeat(28)}${String(i).padStart(2, '0')}` };
    status = recordFailure(beginAttempt(status, image, now), image, `print-${i}`.padEnd(64, 'x'), failure, now);
    status = closeNewest(status, { readyTime: time, message: '<'.repeat(1000) });
  }
  const pod = { metadata: { name, uid: 'u'.repeat(36) } };
  const ending = { pod, reason: 'R'.repeat(500), message: '<'.repeat(9000), ended: true, pause: pauses.down, now };
  const interruption = { ...interrupt(undefined, ending), podHash: 'h'.repeat(64) };
  const attempt = {
    fingerprint: 'f'.repeat(64),
    runningSince: time,
    readySince: time,
    readyTransitionTime: time,
    interruption,
  };
  const node = 'n'.repeat(253);
  const names = {
    nodeName: node,
    lastKnownGoodNode: node,
    image: longImage,
    targetImage: longImage,
    assignedImage: longImage,
  };
  const written = await client.applyStatus(
    hostedContainers,
    { metadata, status: { ...status, ...names, attempt, interruption, assignedRetryToken: 't'.repeat(253) } },
    { fieldManager },
  );
  expect([written.status?.failedImages?.length, written.status?.history?.length]).toEqual([10, 10]);
  // The newest are kept.
  expect(written.status?.failedImages?.[0]?.image).toContain('v14');
  await client.delete(hostedContainers, metadata);
});

test('an ImageDistribution of which everything is as long as its writers make it', async () => {
  const metadata = { name: 'full' };
  const spec = {
    image: longImage,
    activate: {
      newContainers: true,
      existingContainers: { selector: { matchLabels: { app: 'web' } }, maxUnavailable: 1, maxFailures: 0 },
    },
  };
  await client.apply(imageDistributions, { metadata, spec }, { fieldManager: 'people' });
  const failedNodes = Array.from({ length: 20 }, (_, i) => ({
    node: `${i}`.padEnd(253, 'n'),
    reason: 'R'.repeat(128),
    message: '<'.repeat(1024),
  }));
  const gates = Array.from({ length: 8 }, (_, i) => ({
    name: `${i}`.padEnd(63, 'g'),
    holds: false,
    time,
    failures: 1000,
    message: truncate('<'.repeat(9000), 1024),
  }));
  const rollout = {
    image: longImage,
    startTime: time,
    wave: 1,
    haltTime: time,
    haltReason: 'GateFailed',
    haltMessage: '<'.repeat(4096),
    gates,
  };
  const previousImages = Array.from(
    { length: previousImagesLimit },
    (_, i) => `${'o'.repeat(30)}:${String(i).padStart(30, 'v')}`,
  );
  const status = { observedGeneration: 1, conditions: manyConditions, failedNodes, rollout, previousImages };
  const written = await client.applyStatus(imageDistributions, { metadata, status }, { fieldManager });
  expect(written.status).toMatchObject({ failedNodes, rollout, previousImages });
  await client.delete(imageDistributions, metadata);
});

test('an OSImage of which everything is as long as its writers make it', async () => {
  const [os, version] = ['o'.repeat(30), 'v'.repeat(30)];
  const metadata = { name: `${os}.${version}` };
  const source = { http: { url: `https://example.com/${'u'.repeat(2000)}`, sha256: '0'.repeat(64) } };
  const spec = { os, version, source, mountScript: '<'.repeat(65_536) };
  await client.apply(osImages, { metadata, spec }, { fieldManager: 'people' });
  // As much as one agent may tell of one image.
  const env = Array.from({ length: 256 }, (_, i) => ({ name: `${i}`.padStart(200, 'E'), value: '<'.repeat(150) }));
  const tops = (letter: string) => Array.from({ length: 128 }, (_, i) => `${i}`.padStart(100, letter));
  const layout = { kind: 'merged' as const, directories: tops('d'), files: tops('f'), ignored: tops('i') };
  expect(bytesOf([layout, env])).toBeLessThan(mostTold);
  const ended = {
    job: 'j'.repeat(63),
    startTime: time,
    completionTime: time,
    reason: 'R'.repeat(128),
    message: shorten('<'.repeat(9000)),
  };
  const status = {
    observedGeneration: 1,
    conditions: manyConditions,
    layout,
    defaults: { env },
    factsFrom: { node: 'n'.repeat(253), digest: `sha256:${'0'.repeat(64)}`, time },
    build: ended,
    publication: ended,
    verification: {
      node: 'n'.repeat(253),
      pod: 'p'.repeat(253),
      outcome: 'Failed' as const,
      reason: 'Failed',
      message: ended.message,
    },
  };
  const written = await client.applyStatus(osImages, { metadata, status }, { fieldManager });
  expect(written.status?.layout?.files).toHaveLength(128);
  await client.delete(osImages, metadata);
});

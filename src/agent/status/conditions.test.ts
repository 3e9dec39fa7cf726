import { expect, test } from 'vitest';
import type { NodeStoreStatus, StoredImage } from '../../api/nodestore.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus, sameStatus } from '../../runtime/status.ts';
import { deletingImage, failedImage, fetchingImage, pendingImage, readyImage } from './image-status.ts';
import { nodeStoreStatus, storeSpace } from './conditions.ts';
import { storedImage, desiredImage } from '../../../test/fixtures/agent/desired.ts';

const store = { usedBytes: 1, freeBytes: 2 };

function status(
  images: StoredImage[],
  before?: NodeStoreStatus,
  now = new Date('2026-01-01T00:00:00Z'),
): NodeStoreStatus {
  const made = nodeStoreStatus({ generation: 3, before, desired: [desiredImage()], images, store, now });
  expectValidStatus({ metadata: { name: 'node-1', generation: 3 }, status: made });
  return made;
}

const told = (images: StoredImage[]) =>
  ['Ready', 'Reconciling', 'Stalled'].map((type) => {
    const condition = findCondition(status(images).conditions, type);
    return `${condition?.status} ${condition?.reason}`;
  });

const failedAttempts = { fingerprint: '', reason: 'NoSpace', message: 'The disk is full', retryTime: 0 };

test.each([
  ['everything is stored', [readyImage(storedImage())], ['True AllStored', 'False Done', 'False Done']],
  ['one is fetched', [fetchingImage(desiredImage(), undefined)], ['False Fetching', 'True Fetching', 'False Done']],
  ['one waits', [pendingImage(desiredImage(), 'Queued', 'Waits')], ['False Queued', 'True Fetching', 'False Done']],
  [
    'one is retried',
    [failedImage(desiredImage(), { ...failedAttempts, attempts: 1 })],
    ['False FetchRetrying', 'True Fetching', 'False Done'],
  ],
  [
    'one failed',
    [failedImage(desiredImage(), { ...failedAttempts, attempts: 3 })],
    ['False FetchFailed', 'False Done', 'True FetchFailed'],
  ],
  ['one goes', [deletingImage(storedImage())], ['True AllStored', 'True Deleting', 'False Done']],
  [
    'one failed, and another is fetched',
    [failedImage(desiredImage(), { ...failedAttempts, attempts: 9 }), fetchingImage(desiredImage('v2'), undefined)],
    ['False FetchFailed', 'False Done', 'True FetchFailed'],
  ],
  [
    'one failed, another waits, and a third goes',
    [
      pendingImage(desiredImage('v2'), 'Queued', 'Waits'),
      failedImage(desiredImage(), { ...failedAttempts, attempts: 9 }),
      deletingImage(storedImage('v3')),
    ],
    ['False FetchFailed', 'False Done', 'True FetchFailed'],
  ],
  [
    'one is fetched, and another goes',
    [deletingImage(storedImage('v3')), fetchingImage(desiredImage(), undefined)],
    ['False Fetching', 'True Fetching', 'False Done'],
  ],
])('conditions when %s', (_name, images, expected) => expect(told(images)).toEqual(expected));

test('of all states of three images none is both Reconciling and Stalled, and none that is not Ready is neither', () => {
  const make: ((version: string) => StoredImage)[] = [
    (version) => readyImage(storedImage(version)),
    (version) => deletingImage(storedImage(version)),
    (version) => fetchingImage(desiredImage(version), undefined),
    ...['Queued', 'DigestConflict', 'BrokenEntry', 'TreeChanged'].map(
      (reason) => (version: string) => pendingImage(desiredImage(version), reason, 'Waits'),
    ),
    ...[1, 9].map(
      (attempts) => (version: string) => failedImage(desiredImage(version), { ...failedAttempts, attempts }),
    ),
  ];
  for (const a of make)
    for (const b of make)
      for (const c of make) {
        const [ready, reconciling, stalled] = told([a('v1'), b('v2'), c('v3')]).map((it) => it.split(' ')[0]);
        expect([reconciling, stalled]).not.toEqual(['True', 'True']);
        if (ready !== 'True') expect([reconciling, stalled]).toContain('True');
      }
});

test('the message of a failure names the image, the reason and what to do', () => {
  const ready = findCondition(
    status([failedImage(desiredImage(), { ...failedAttempts, attempts: 3 })]).conditions,
    'Ready',
  );
  expect(ready?.message).toBe('debian-12:v1: NoSpace: The disk is full');
});

test('a status that says the same later is the same', () => {
  const before = status([readyImage(storedImage())]);
  expect(sameStatus(before, status([readyImage(storedImage())], before, new Date('2027-01-01T00:00:00Z')))).toBe(true);
});

test('what is said of the disk changes with the images, and when a twentieth of the disk was filled or freed', () => {
  const disk = (freeBytes: number) => ({ totalBytes: 1000, freeBytes, totalInodes: 0, freeInodes: 0 });
  const told = storeSpace(undefined, 10, disk(500));
  expect(told).toEqual({ usedBytes: 10, freeBytes: 500, capacityBytes: 1000 });
  expect([451, 500, 549].map((free) => storeSpace(told, 10, disk(free)))).toEqual([told, told, told]);
  expect([450, 550].map((free) => storeSpace(told, 10, disk(free)).freeBytes)).toEqual([450, 550]);
  expect(storeSpace(told, 11, disk(501))).toEqual({ usedBytes: 11, freeBytes: 501, capacityBytes: 1000 });
});

test('retained images are not counted among those that it should hold', () => {
  const desired = [desiredImage(), desiredImage('v0', { retained: true })];
  const images = [readyImage(storedImage()), readyImage(storedImage('v0'))];
  const made = nodeStoreStatus({ generation: 3, before: undefined, desired, images, store, now: new Date(0) });
  expect(made.counts).toEqual({ desired: 1, ready: 1, failed: 0 });
  expect(findCondition(made.conditions, 'Ready')?.message).toBe('Stores all 1 wanted images');
});

import { expect, test } from 'vitest';
import { mostImages } from '../../api/nodestore.ts';
import type { StoredImage } from '../../api/nodestore.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { deletingImage, failedImage, readyImage } from './image-status.ts';
import { nodeStoreStatus } from './conditions.ts';
import { fittingImages, mostBytes } from './limits.ts';
import { storedImage, desiredImage } from '../../../test/fixtures/agent/desired.ts';

const versions = (count: number, prefix = 'v') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const bytes = (images: readonly StoredImage[]) => Buffer.byteLength(JSON.stringify(images));
const long = (size: number) => ({ defaults: { args: Array.from({ length: size / 1024 }, () => 'x'.repeat(1024)) } });

test('as many images as are wanted are reported, also while another one goes, and that one may go untold', () => {
  const desired = versions(mostImages).map((version) => desiredImage(version));
  const all = [...desired.map(({ version }) => readyImage(storedImage(version))), deletingImage(storedImage('gone'))];
  const { images, left } = fittingImages(all, desired);
  expect(images).toEqual(all.slice(0, mostImages));
  expect(left).toEqual(['debian-12:gone']);
});

test('what is only retained is left out before what is desired', () => {
  const desired = [
    ...versions(200).map((version) => desiredImage(version)),
    ...versions(100, 'r').map((version) => desiredImage(version, { retained: true })),
  ];
  const { images } = fittingImages(
    desired.map(({ version }) => readyImage(storedImage(version))),
    desired,
  );
  expect(images).toHaveLength(mostImages);
  expect(images.filter(({ version }) => version.startsWith('v'))).toHaveLength(200);
});

test('long messages are cut before an image is left out', () => {
  const desired = versions(mostImages).map((version) => desiredImage(version));
  const failedAttempts = {
    fingerprint: '',
    attempts: 9,
    reason: 'CorruptArchive',
    message: '<'.repeat(1024),
    retryTime: 0,
  };
  const { images, left } = fittingImages(
    desired.map((image) => failedImage(image, failedAttempts)),
    desired,
  );
  expect(left).toEqual([]);
  expect(images[0]?.message).toHaveLength(128);
  expect(bytes(images)).toBeLessThan(mostBytes);
});

test('of too much that is wanted the longest is left out, and a person learns of it', () => {
  const desired = versions(10).map((version) => desiredImage(version));
  const images = desired.map(({ version }, i) => readyImage(storedImage(version, i < 8 ? {} : long(300 * 1024))));
  expect(fittingImages(images, desired).left).toEqual(['debian-12:v9']);
  const store = { usedBytes: 1, freeBytes: 2 };
  const status = nodeStoreStatus({ generation: 1, before: undefined, desired, images, store, now: new Date(0) });
  expect(findCondition(status.conditions, 'Ready')).toMatchObject({ status: 'False', reason: 'TooManyImages' });
  expect(findCondition(status.conditions, 'Stalled')).toMatchObject({ status: 'True', reason: 'TooManyImages' });
  expect(findCondition(status.conditions, 'Stalled')?.message).toContain('1 images, such as debian-12:v9');
  expect(bytes(status.images ?? [])).toBeLessThan(mostBytes);
});

test('a variable that a stored image has twice is reported once, the last: with two the API server refuses the whole status', () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
    { name: 'A', value: '3' },
  ];
  const { defaults } = readyImage(storedImage('v1', { defaults: { env } }));
  expect(defaults?.env).toEqual([
    { name: 'A', value: '3' },
    { name: 'B', value: '2' },
  ]);
});

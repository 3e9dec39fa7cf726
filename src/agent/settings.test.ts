import { expect, test } from 'vitest';
import { readSettings } from './settings.ts';
import { minFreeOf } from '../image/disk/space.ts';

const gibibyte = 2 ** 30;
const disk = (bytes: number, inodes = 1000) => ({
  totalBytes: bytes,
  freeBytes: bytes,
  totalInodes: inodes,
  freeInodes: inodes,
});

test.each([
  [{}, { percent: 15 }, 2],
  [{ MIN_FREE: '', MAX_CONCURRENT_FETCHES: '' }, { percent: 15 }, 2],
  [{ MIN_FREE: '5%', MAX_CONCURRENT_FETCHES: '1' }, { percent: 5 }, 1],
  [{ MIN_FREE: '10Gi', MAX_CONCURRENT_FETCHES: '16' }, { bytes: 10 * gibibyte }, 16],
  [{ MIN_FREE: '16Mi' }, { bytes: gibibyte / 64 }, 2],
  [{ MEMORY_LIMIT: String(768 * 2 ** 20) }, { percent: 15 }, 2],
  [{ MAX_CONCURRENT_FETCHES: '16', MEMORY_LIMIT: String(768 * 2 ** 20) }, { percent: 15 }, 2],
  [{ MAX_CONCURRENT_FETCHES: '16', MEMORY_LIMIT: String(4 * gibibyte) }, { percent: 15 }, 13],
  [{ MAX_CONCURRENT_FETCHES: '16', MEMORY_LIMIT: String(5 * gibibyte) }, { percent: 15 }, 16],
  [{ MEMORY_LIMIT: String(2 ** 20) }, { percent: 15 }, 1],
])('%j is understood', (env, minFree, maxConcurrentFetches) => {
  expect(readSettings(env)).toEqual({ minFree, maxConcurrentFetches });
});

test.each(['0%', '91%', '100%', '5.5%', '15Mi', '0', '-1Gi', 'much', '10GiB'])('MIN_FREE %s is refused', (value) => {
  expect(() => readSettings({ MIN_FREE: value })).toThrow(`MIN_FREE is '${value}': it must be a quantity`);
});

test.each(['0', '17', '-1', '1.5', 'two'])('MAX_CONCURRENT_FETCHES %s is refused', (value) => {
  expect(() => readSettings({ MAX_CONCURRENT_FETCHES: value })).toThrow(
    `MAX_CONCURRENT_FETCHES is '${value}': it must be a whole number from 1 to 16`,
  );
});

test('MEMORY_LIMIT that is no number of bytes is refused', () => {
  expect(() => readSettings({ MEMORY_LIMIT: '768Mi' })).toThrow(
    `MEMORY_LIMIT is '768Mi': it must be a number of bytes`,
  );
});

test('a percentage is of the file system, and on a small one at least 256 MiB', () => {
  expect(minFreeOf(disk(100 * gibibyte), { percent: 15 }).bytes).toBe(15 * gibibyte);
  expect(minFreeOf(disk(gibibyte), { percent: 15 }).bytes).toBe(gibibyte / 4);
  expect(minFreeOf(disk(gibibyte), { bytes: 1 }).bytes).toBe(1);
});

test('of the inodes a twentieth stays, where the file system counts them', () => {
  expect(minFreeOf(disk(gibibyte, 1000), { bytes: 1 }).inodes).toBe(50);
  expect(minFreeOf(disk(gibibyte, 0), { bytes: 1 }).inodes).toBe(0);
});

import { expect, test } from 'vitest';
import { FetchError } from './failure.ts';
import { checkSpace, consumptionFailure } from './space-guard.ts';

const mib = 1024 * 1024;

function reason(totalMib: number, freeMib: number, archiveMib: number): string | undefined {
  try {
    checkSpace({ totalBytes: totalMib * mib, freeBytes: freeMib * mib }, archiveMib * mib);
    return undefined;
  } catch (error) {
    return error instanceof FetchError ? error.reason : String(error);
  }
}

test('an archive is fetched when it fits and 256 MiB stay free', () => expect(reason(1000, 500, 244)).toBeUndefined());
test('an archive that does not fit now is a matter of space', () => expect(reason(1000, 500, 245)).toBe('NoSpace'));
test('an archive that could never fit is too large', () => expect(reason(1000, 500, 745)).toBe('TooLarge'));

test('unpacking goes on while the disk has room and the archive packs like a root file system', () => {
  expect(
    consumptionFailure({ freeBytes: 256 * mib, downloadedBytes: 500 * mib, unpackedBytes: 5000 * mib }),
  ).toBeUndefined();
  expect(consumptionFailure({ freeBytes: 256 * mib, downloadedBytes: 0, unpackedBytes: undefined })).toBeUndefined();
});
test('unpacking stops before the disk is full', () => {
  expect(consumptionFailure({ freeBytes: 255 * mib, downloadedBytes: 1, unpackedBytes: 1 })?.reason).toBe('NoSpace');
});
test('unpacking stops when a little makes very much', () => {
  expect(consumptionFailure({ freeBytes: 9999 * mib, downloadedBytes: mib, unpackedBytes: 1025 * mib })?.reason).toBe(
    'TooLarge',
  );
});

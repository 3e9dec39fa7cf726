import { describe, expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { checkSpace, consumptionFailure, nextCheckMilliseconds, maxEntries } from './limits.ts';
import type { Consumption, ExpectedSize } from './limits.ts';
import type { Space } from './space.ts';

const mib = 1024 * 1024;
const minFree = { bytes: 256 * mib };
const disk = (freeMib: number, changes: Partial<Space> = {}): Space => ({
  totalBytes: 1000 * mib,
  freeBytes: freeMib * mib,
  totalInodes: 1000,
  freeInodes: 500,
  ...changes,
});

function refusal(space: Space, expected: Partial<ExpectedSize>, reservedMib = 0): string | undefined {
  try {
    checkSpace(space, { archiveBytes: undefined, unpackedBytes: undefined, ...expected }, reservedMib * mib, minFree);
    return undefined;
  } catch (error) {
    return error instanceof FetchError ? `${error.reason}: ${error.message}` : String(error);
  }
}

describe('before a download', () => {
  test.each<[string, Space, Partial<ExpectedSize>, number, string | undefined]>([
    ['an archive that fits', disk(500), { archiveBytes: 244 * mib }, 0, undefined],
    ['an archive of unknown size', disk(256), {}, 0, undefined],
    [
      'an archive that does not fit now',
      disk(500),
      { archiveBytes: 245 * mib },
      0,
      'NoSpace: The archive alone has 245 MiB; 500 MiB are free, of which 256 MiB must stay free (MIN_FREE); free space on the node',
    ],
    [
      'an archive that unpacks to more than is free',
      disk(500),
      { archiveBytes: 50 * mib, unpackedBytes: 300 * mib },
      0,
      'NoSpace: The image needs 300 MiB; 500 MiB are free, of which 256 MiB must stay free (MIN_FREE); free space on the node',
    ],
    [
      'an archive whose room is promised to others',
      disk(500),
      { unpackedBytes: 200 * mib },
      100,
      'NoSpace: The image needs 200 MiB; 500 MiB are free, of which 100 MiB are promised to other images and 256 MiB must stay free (MIN_FREE); free space on the node',
    ],
    [
      'an archive that can never fit',
      disk(500),
      { archiveBytes: 745 * mib },
      0,
      'TooLarge: The archive alone has 745 MiB; the whole file system of the store has 1000 MiB, of which 256 MiB must stay free (MIN_FREE); use a bigger disk',
    ],
    [
      'a disk without inodes',
      disk(500, { freeInodes: 49 }),
      { archiveBytes: mib },
      0,
      'NoSpace: 49 of 1000 inodes of the file system of the store are free and 50 must stay free; remove files on the node',
    ],
    ['a disk that counts no inodes', disk(500, { totalInodes: 0, freeInodes: 0 }), { archiveBytes: mib }, 0, undefined],
  ])('%s', (_name, space, size, promised, expected) => expect(refusal(space, size, promised)).toBe(expected));
});

describe('while it is unpacked', () => {
  const consumption = (changes: Partial<Consumption> = {}): Consumption => ({
    space: disk(256),
    downloadedBytes: 500 * mib,
    unpackedBytes: 5000 * mib,
    takenInodes: maxEntries,
    reservedBytes: 0,
    ...changes,
  });
  const reason = (changes: Partial<Consumption>) => consumptionFailure(consumption(changes), minFree)?.reason;

  test.each<[string, Partial<Consumption>, string | undefined]>([
    ['goes on while the disk has room and it packs like a root file system', {}, undefined],
    ['goes on where no one counts', { downloadedBytes: 0, unpackedBytes: undefined }, undefined],
    ['stops before the disk is full', { space: disk(255) }, 'NoSpace'],
    ['stops before it takes what is promised to others', { space: disk(300), reservedBytes: 45 * mib }, 'NoSpace'],
    ['stops before the inodes are used up', { space: disk(256, { freeInodes: 49 }) }, 'NoSpace'],
    [
      'stops when a little makes very much',
      { downloadedBytes: mib, unpackedBytes: 1025 * mib, space: disk(900) },
      'TooLarge',
    ],
    ['stops at too many files', { takenInodes: maxEntries + 1 }, 'TooLarge'],
  ])('%s', (_name, changes, expected) => expect(reason(changes)).toBe(expected));

  test('the less is left the more often it is looked at', () => {
    const wait = (freeMib: number) => nextCheckMilliseconds(consumption({ space: disk(freeMib) }), minFree);
    expect([wait(256), wait(356), wait(9999)]).toEqual([10, (100 * mib) / 4_000_000, 200]);
  });
});

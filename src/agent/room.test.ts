import { expect, test } from 'vitest';
import { FetchError } from './failure.ts';
import { Room } from './room.ts';
import type { Claim } from './room.ts';

const mib = 1024 * 1024;
const unknown = { archiveBytes: undefined, unpackedBytes: undefined };
const needs = (count: number) => ({ ...unknown, unpackedBytes: count * mib });

/** A disk whose free space is a variable, in MiB; 100 of them must stay free. */
function roomOf(freeMib: number) {
  const disk = { freeMib, files: 0 };
  const room = new Room(
    () =>
      Promise.resolve({
        totalBytes: 1e12,
        freeBytes: disk.freeMib * mib,
        totalInodes: 1e9,
        freeInodes: 1e9 - disk.files,
      }),
    { bytes: 100 * mib },
  );
  return { room, disk };
}
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof FetchError ? error.reason : String(error)),
  );
/** Guards a claim while so many MiB are unpacked; gives why it stopped. */
const guard = (claim: Claim, unpackedMib: number, signal = new AbortController().signal) =>
  reasonOf(claim.guard(() => Promise.resolve({ downloadedBytes: 1e9, unpackedBytes: unpackedMib * mib }), signal));

test('what one fetch is promised no other gets, until it is released', async () => {
  const { room } = roomOf(300);
  const first = await room.claim(needs(120));
  expect(await reasonOf(room.claim(needs(81)))).toBe('NoSpace');
  first.release();
  (await room.claim(needs(200))).release();
});

test('of many that ask at the same moment only those get room that fit together', async () => {
  const { room } = roomOf(300);
  const asked = await Promise.all(Array.from({ length: 5 }, () => reasonOf(room.claim(needs(90)))));
  expect(asked.filter((reason) => reason === undefined)).toHaveLength(2);
});

test('a fetch that takes more than it was promised stops before it takes what is promised to another', async () => {
  const { room, disk } = roomOf(300);
  await room.claim(needs(120));
  const stranger = await room.claim(unknown);
  disk.freeMib = 219;
  expect(await guard(stranger, 81)).toBe('NoSpace');
});

test('a fetch may take what it was promised, but nobody may take what must stay free', async () => {
  const { room, disk } = roomOf(300);
  const claim = await room.claim(needs(120));
  await room.claim(needs(60));
  disk.freeMib = 150;
  const stop = new AbortController();
  const guarded = guard(claim, 120, stop.signal);
  disk.freeMib = 99;
  expect(await guarded).toBe('NoSpace');
});

test('what is already taken counts as taken only once', async () => {
  const { room, disk } = roomOf(300);
  const claim = await room.claim(needs(150));
  disk.freeMib = 200;
  const stop = new AbortController();
  let looks = 0;
  const looked = new Promise<void>((resolve) => {
    void reasonOf(
      claim.guard(() => {
        if (++looks === 2) resolve();
        return Promise.resolve({ downloadedBytes: 1e9, unpackedBytes: 100 * mib });
      }, stop.signal),
    );
  });
  await looked;
  // 200 free, 100 must stay, 50 are still to be taken by the first: 50 are left.
  expect(await reasonOf(room.claim(needs(51)))).toBe('NoSpace');
  (await room.claim(needs(50))).release();
  stop.abort();
});

test('an archive of millions of entries is stopped', async () => {
  const { room, disk } = roomOf(300);
  const claim = await room.claim(unknown);
  disk.files = 1_000_001;
  expect(await guard(claim, 1)).toBe('TooLarge');
});

test('a guard ends with its signal', async () => {
  const { room } = roomOf(300);
  const claim = await room.claim(unknown);
  const stop = new AbortController();
  const guarded = guard(claim, 1, stop.signal);
  stop.abort();
  expect(await guarded).toContain('AbortError');
});

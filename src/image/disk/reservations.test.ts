import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { DiskReservations } from './reservations.ts';
import type { Reservation } from './reservations.ts';
import { maxEntries } from './limits.ts';

const mib = 1024 * 1024;
const unknown = { archiveBytes: undefined, unpackedBytes: undefined };
const noFiles = () => Promise.resolve(0);
const needs = (count: number) => ({ ...unknown, unpackedBytes: count * mib });

/** A disk whose free space is a variable, in MiB; 100 of them must stay free. */
function spaceOf(freeMib: number) {
  const disk = { freeMib, files: 0 };
  const reservations = new DiskReservations(
    () =>
      Promise.resolve({
        totalBytes: 1e12,
        freeBytes: disk.freeMib * mib,
        totalInodes: 1e9,
        freeInodes: 1e9 - disk.files,
      }),
    { bytes: 100 * mib },
  );
  return { reservations, disk };
}
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof FetchError ? error.reason : String(error)),
  );
/** Guards a reservation while the given MiB are unpacked. Returns the reason why it stopped. */
const guard = (reservation: Reservation, unpackedMib: number, signal = new AbortController().signal) =>
  reasonOf(
    reservation.guard(() => Promise.resolve({ downloadedBytes: 1e9, unpackedBytes: unpackedMib * mib }), signal),
  );

test('what is written beside all promises leaves what must stay free', async () => {
  const { reservations } = spaceOf(101);
  expect(await reasonOf(reservations.ensureFree(mib))).toBeUndefined();
  expect(await reasonOf(reservations.ensureFree(mib + 1))).toBe('NoSpace');
});

test('what one fetch has reserved no other gets, until it is released', async () => {
  const { reservations } = spaceOf(300);
  const first = await reservations.reserve(needs(120), noFiles);
  expect(await reasonOf(reservations.reserve(needs(81), noFiles))).toBe('NoSpace');
  first.release();
  (await reservations.reserve(needs(200), noFiles)).release();
});

test('of many that ask at the same moment only those get room that fit together', async () => {
  const { reservations } = spaceOf(300);
  const asked = await Promise.all(Array.from({ length: 5 }, () => reasonOf(reservations.reserve(needs(90), noFiles))));
  expect(asked.filter((reason) => reason === undefined)).toHaveLength(2);
});

test('a fetch that takes more than it has reserved stops before it takes what is reserved for another', async () => {
  const { reservations, disk } = spaceOf(300);
  await reservations.reserve(needs(120), noFiles);
  const stranger = await reservations.reserve(unknown, noFiles);
  disk.freeMib = 219;
  expect(await guard(stranger, 81)).toBe('NoSpace');
});

test('a fetch may take what it has reserved, but no one may take what must stay free', async () => {
  const { reservations, disk } = spaceOf(300);
  const reservation = await reservations.reserve(needs(120), noFiles);
  await reservations.reserve(needs(60), noFiles);
  disk.freeMib = 150;
  const stop = new AbortController();
  const guarded = guard(reservation, 120, stop.signal);
  disk.freeMib = 99;
  expect(await guarded).toBe('NoSpace');
});

test('what is already taken counts as taken only once', async () => {
  const { reservations, disk } = spaceOf(300);
  const reservation = await reservations.reserve(needs(150), noFiles);
  disk.freeMib = 200;
  const stop = new AbortController();
  let looks = 0;
  const looked = new Promise<void>((resolve) => {
    void reasonOf(
      reservation.guard(() => {
        if (++looks === 2) resolve();
        return Promise.resolve({ downloadedBytes: 1e9, unpackedBytes: 100 * mib });
      }, stop.signal),
    );
  });
  await looked;
  // 200 free, 100 must stay, 50 are still to be taken by the first: 50 are left.
  expect(await reasonOf(reservations.reserve(needs(51), noFiles))).toBe('NoSpace');
  (await reservations.reserve(needs(50), noFiles)).release();
  stop.abort();
});

test('an archive of millions of entries is stopped', async () => {
  const { reservations, disk } = spaceOf(300);
  const reservation = await reservations.reserve(unknown, () => Promise.resolve(disk.files));
  disk.files = maxEntries + 1;
  expect(await guard(reservation, 1)).toBe('TooLarge');
});

test('a fetch takes no blame for the files that others make, and is still stopped for its own', async () => {
  const { reservations, disk } = spaceOf(300);
  const own = { files: 10, counted: 0 };
  const count = () => Promise.resolve((own.counted++, own.files));
  const reservation = await reservations.reserve(unknown, count);
  disk.files = 5 * maxEntries;
  const stop = new AbortController();
  const guarded = guard(reservation, 1, stop.signal);
  const deadline = Date.now() + 90_000;
  while (own.counted === 0 && Date.now() < deadline) await setImmediate();
  expect(own.counted).toBe(1);
  own.files = maxEntries + 1;
  disk.files += maxEntries;
  expect(await guarded).toBe('TooLarge');
  expect(own.counted).toBe(2);
});

test('a guard ends with its signal', async () => {
  const { reservations } = spaceOf(300);
  const reservation = await reservations.reserve(unknown, noFiles);
  const stop = new AbortController();
  const guarded = guard(reservation, 1, stop.signal);
  stop.abort();
  expect(await guarded).toContain('AbortError');
});

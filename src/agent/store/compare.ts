import { closeSync, openSync, readSync } from 'node:fs';

const pieceBytes = 128 * 1024;
// All comparisons of a thread can use the same memory.
const left = Buffer.allocUnsafe(pieceBytes);
const right = Buffer.allocUnsafe(pieceBytes);

/** Up to here a file is read whether it has holes or not. */
const smallBytes = 1024 * 1024;
/** More than that many times its data, and most of a file is holes, as in /var/log/lastlog. */
const mostlyHoles = 8;

/** Whether reading a file of this size is worth its cost: the cost goes by its size, the gain by the bytes that it has on the disk. */
export const isWorthReading = (bytes: number, diskBytes: number): boolean =>
  bytes <= smallBytes || bytes <= mostlyHoles * diskBytes;

/** Whether two regular files have the same bytes. Throws when one cannot be read. It waits for the disk: for threads only. */
export function sameContent(path: Buffer, other: Buffer): boolean {
  const one = openSync(path, 'r');
  try {
    const two = openSync(other, 'r');
    try {
      for (;;) {
        const count = readSync(one, left);
        if (readSync(two, right) !== count || left.compare(right, 0, count, 0, count) !== 0) return false;
        // The end is where no more is read than was asked for: most files need no second look.
        if (count < pieceBytes) return true;
      }
    } finally {
      closeSync(two);
    }
  } finally {
    closeSync(one);
  }
}

import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

const pieceBytes = 256 * 1024;
/** Bytes that are compared at once, in a few milliseconds; then all else gets its turn. */
const turnBytes = 8 * 1024 * 1024;
const left = Buffer.allocUnsafe(pieceBytes);
const right = Buffer.allocUnsafe(pieceBytes);

/** Whether two regular files have the same bytes. Throws when one cannot be read. */
export async function sameContent(path: Buffer, other: Buffer): Promise<boolean> {
  const one = openSync(path, 'r');
  try {
    const two = openSync(other, 'r');
    try {
      for (let compared = 0; ; compared += pieceBytes) {
        // Nothing waits between these lines, so all comparisons can use the same memory.
        const count = readSync(one, left);
        if (readSync(two, right) !== count || left.compare(right, 0, count, 0, count) !== 0) return false;
        if (count === 0) return true;
        if (compared > 0 && compared % turnBytes === 0) await setImmediate();
      }
    } finally {
      closeSync(two);
    }
  } finally {
    closeSync(one);
  }
}

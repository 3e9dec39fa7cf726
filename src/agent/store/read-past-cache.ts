import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errorCode } from '../../system/errors.ts';

const pieceBytes = 1024 * 1024;
const { O_RDONLY, O_NOFOLLOW, O_NOATIME, O_DIRECT } = constants;
const pageBytes = 4096;
/** Of any memory. */
const step = 16;
const memory = Buffer.allocUnsafeSlow(pieceBytes + pageBytes);
/** Where in `memory` a block may begin: reading past the page cache wants it at the beginning of a block or page. Found by trying. */
let start = 0;

/**
 * Hands on all bytes of a regular file, read from the disk and past the page cache: nothing is put into that, and nothing that containers use
 * is thrown out of it. On file systems that cannot do that (such as tmpfs, which is nothing but cache) it is read as usual.
 */
export function readPastCache(path: Buffer, onBytes: (bytes: Buffer) => void): void {
  for (; start < pageBytes; start += step) {
    try {
      readWith(path, O_DIRECT, onBytes);
      return;
    } catch (error) {
      // It is the first call that is refused, or none: nothing was handed on.
      if (errorCode(error) !== 'EINVAL') throw error;
    }
  }
  readWith(path, 0, onBytes);
}

function readWith(path: Buffer, flags: number, onBytes: (bytes: Buffer) => void): void {
  const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NOATIME | flags);
  const piece = memory.subarray(start % pageBytes, (start % pageBytes) + pieceBytes);
  try {
    for (;;) {
      const count = readSync(file, piece, 0, pieceBytes, null);
      onBytes(piece.subarray(0, count));
      // The end is where no more is read than was asked for; beyond it such a read may be refused.
      if (count < pieceBytes) return;
    }
  } finally {
    closeSync(file);
  }
}

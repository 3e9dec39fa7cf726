import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Download } from './download/http.ts';
import { unpackArchive } from './unpack/archive.ts';
import type { UnpackOptions, Unpacking } from './unpack/pipeline.ts';
import { guarded } from './disk/reservations.ts';
import type { Reservation } from './disk/reservations.ts';
import { wrongDigest } from './failure.ts';

export interface TransferOptions {
  /** An existing directory; nothing outside of it is written, but for what has no name any more. */
  directory: string;
  /** Another existing directory, on the same file system; a file without a name may be made there, and is gone at the end. */
  scratch: string;
  /** `sha256:…` of the bytes as they are served. */
  digest: string;
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
  unpack?: UnpackOptions;
  /** Stops the transfer when it takes too much. */
  reservation: Reservation;
}

/**
 * Downloads, unpacks and verifies in one go; gives the number of bytes downloaded. The tree must not be used before this
 * resolves: only the end of the stream tells whether it was the right one. When it rejects, no program is running any more.
 */
export function transfer(download: Pick<Download, 'body'>, options: TransferOptions): Promise<number> {
  let archive: Unpacking | undefined;
  let downloadedBytes = 0;
  const progress = async () => ({ downloadedBytes, unpackedBytes: await archive?.unpackedBytes() });

  return guarded(options.reservation, progress, options.signal, async (outer) => {
    const { directory, scratch, digest, onBytes } = options;
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    archive = unpackArchive(directory, join(scratch, 'archive'), signal, {
      ...options.unpack,
      ensure: (bytes) => options.reservation.ensure(bytes),
    });
    try {
      const hash = createHash('sha256');
      for await (const chunk of download.body) {
        signal.throwIfAborted();
        hash.update(chunk);
        downloadedBytes += chunk.length;
        onBytes(chunk.length);
        await archive.write(chunk);
      }
      const actual = `sha256:${hash.digest('hex')}`;
      // First of all: when these are the wrong bytes, how they failed to unpack tells nothing.
      if (actual !== digest) throw wrongDigest(digest, actual, downloadedBytes);
      await archive.finish();
      return downloadedBytes;
    } finally {
      stop.abort();
      await archive.finish().catch(() => undefined);
    }
  });
}

/** Reads all of it; `onBytes` is called for each piece. Throws DigestMismatch unless these are the right bytes. */
export async function checkDigest(body: AsyncIterable<Uint8Array>, digest: string, onBytes: () => void): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    onBytes();
    hash.update(chunk);
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== digest) throw wrongDigest(digest, actual, bytes);
}

import { detectCompression, sniffBytes } from './compression.ts';
import { startUnpacking } from './unpack.ts';
import type { UnpackOptions, Unpacking } from './unpack.ts';

/**
 * Unpacks an archive of any known kind into an existing directory. What goes wrong is thrown by `finish` only, so that
 * the caller can first see whether these were the right bytes at all.
 */
export function unpackArchive(directory: string, signal: AbortSignal, options: UnpackOptions = {}): Unpacking {
  let start: Uint8Array = new Uint8Array();
  let unpacking: Unpacking | undefined;
  let failure: unknown;

  async function begin(): Promise<void> {
    try {
      unpacking = startUnpacking(directory, detectCompression(start), signal, options);
      await unpacking.write(start);
    } catch (error) {
      failure = error;
    }
  }

  return {
    async write(chunk) {
      if (failure !== undefined) return;
      if (unpacking) return unpacking.write(chunk);
      start = Buffer.concat([start, chunk]);
      if (start.length >= sniffBytes) await begin();
    },
    async finish() {
      if (!unpacking && failure === undefined) {
        signal.throwIfAborted();
        await begin();
      }
      if (failure !== undefined) throw failure as Error;
      await unpacking?.finish();
    },
    unpackedBytes: async () => unpacking?.unpackedBytes(),
  };
}

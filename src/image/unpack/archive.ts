import { detectCompression, isZip, sniffBytes } from './compression.ts';
import { startUnpacking } from './pipeline.ts';
import type { UnpackOptions, Unpacking } from './pipeline.ts';
import { spoolZip } from './zip.ts';

/**
 * Unpacks an archive of any known kind into an existing directory. What goes wrong is thrown by `finish` only, so that the
 * caller can first see whether these were the right bytes at all. What must be had as a whole to be unpacked is kept until then
 * in a file without a name, made at the path `spool`.
 */
export function unpackArchive(
  directory: string,
  spool: string,
  signal: AbortSignal,
  options: UnpackOptions = {},
): Unpacking {
  let start: Uint8Array = new Uint8Array();
  let unpacking: Unpacking | undefined;
  let failure: unknown;

  async function begin(): Promise<void> {
    try {
      // A layer is always a tar stream.
      if (isZip(start) && !options.filter) unpacking = await spoolZip(directory, spool, signal, options);
      else unpacking = await startUnpacking(directory, detectCompression(start), signal, options);
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

import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { FetchError } from '../failure.ts';
import { unpackFile } from './pipeline.ts';
import type { UnpackOptions, Unpacking } from './pipeline.ts';

/**
 * Spools a zip archive, and unpacks it into an existing, empty directory when `finish` says that it is whole and right: modes,
 * owners and links stand in the directory at its end. The spool file has no name from the beginning, so nothing can leave it
 * behind; its space is free again when `finish` is over. `path` is where it may be made.
 */
export async function spoolZip(
  directory: string,
  path: string,
  signal: AbortSignal,
  { ensure }: UnpackOptions,
): Promise<Unpacking> {
  const file = await open(path, 'wx+', 0o600);
  let size = 0;
  let failure: unknown;
  let running: Omit<Unpacking, 'write'> | undefined;
  let finished: Promise<void> | undefined;

  async function unpack(): Promise<void> {
    try {
      signal.throwIfAborted();
      if (failure !== undefined) throw failure as Error;
      await checkDirectory(file, size);
      // What was packed is no smaller than the package.
      await ensure?.(size);
      running = unpackFile(directory, file, signal);
      await running.finish();
    } finally {
      await file.close();
    }
  }

  await unlink(path);
  return {
    async write(chunk) {
      try {
        if (failure === undefined) await writeAt(file, chunk, size);
        size += chunk.length;
      } catch (error) {
        failure = error;
      }
    },
    finish: () => (finished ??= unpack()),
    unpackedBytes: async () => running?.unpackedBytes(),
  };
}

/** The place in the file stays at its beginning, where the program that unpacks it starts to read. */
async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Where bsdtar looks for the end of the directory. */
const tailBytes = 16 * 1024;
const endBytes = 22;

/**
 * Throws CorruptArchive unless bsdtar will find the directory. When it does not, it takes the file for a stream, in which there
 * are neither modes nor links, and says nothing. These are its own rules: the end of the directory is within the last 16 KiB,
 * and with all of the directory in this file; otherwise there is a second one in the manner of ZIP64.
 */
async function checkDirectory(file: FileHandle, size: number): Promise<void> {
  const length = Math.min(tailBytes, size);
  const tail = Buffer.alloc(length);
  await file.read(tail, 0, length, size - length);
  const at = tail.lastIndexOf('PK\x05\x06', Math.max(0, length - endBytes), 'latin1');
  // One at the very beginning of what it looks through is not found by it.
  if (at < 1 || length < endBytes) throw corrupt('it has no directory at its end');
  const isZip64 = at >= 20 && tail.toString('latin1', at - 20, at - 16) === 'PK\x06\x07';
  const [disk, start, onDisk, all] = [4, 6, 8, 10].map((offset) => tail.readUInt16LE(at + offset));
  const directoryEnd = tail.readUInt32LE(at + 12) + tail.readUInt32LE(at + 16);
  if (isZip64) return;
  if (disk !== 0 || start !== 0 || onDisk !== all) throw corrupt('it is one part of several');
  if (directoryEnd > size - length + at) throw corrupt('its directory is beyond its end');
}

const corrupt = (why: string) =>
  new FetchError('CorruptArchive', `The zip archive cannot be unpacked: ${why}; build and upload it again`);

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WantedImage } from '../api/nodestore.ts';
import { readCredentials } from './download/credentials.ts';
import type { ReadSecret } from './download/credentials.ts';
import { openHttp } from './download/http.ts';
import type { Architecture } from './extract/architecture.ts';
import { FetchError, toFetchError } from './failure.ts';
import { publishTree } from './seal.ts';
import { checkSpace } from './space-guard.ts';
import type { ImageFile } from './store/image-file.ts';
import type { StorePaths } from './store/paths.ts';
import { removeTree } from './store/remove.ts';
import { readSpace } from './store/space.ts';
import { transfer } from './transfer.ts';

export interface FetchPorts {
  paths: StorePaths;
  readSecret: ReadSecret;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
  /** A name that was never used before. */
  uniqueId: () => string;
  /** Told of every piece that was downloaded. */
  countBytes?: (bytes: number) => void;
}

export interface Progress {
  downloadedBytes: number;
  totalBytes?: number;
}

/**
 * Makes one try to get an image into the store: downloads, verifies, unpacks, inspects and publishes it. Throws a FetchError;
 * nothing of the image is left then. When `signal` aborts, its reason is thrown instead.
 */
export async function fetchImage(
  wanted: WantedImage,
  ports: FetchPorts,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<ImageFile> {
  const staging = join(ports.paths.staging, `${wanted.os}.${wanted.version}.${ports.uniqueId()}`);
  const limit = AbortSignal.timeout(wanted.timeoutSeconds * 1000);
  try {
    return await fetchInto(staging, wanted, ports, AbortSignal.any([signal, limit]), onProgress);
  } catch (error) {
    signal.throwIfAborted();
    throw limit.aborted && !(error instanceof FetchError) ? timedOut(wanted) : toFetchError(error);
  } finally {
    await removeTree(staging);
  }
}

async function fetchInto(
  staging: string,
  wanted: WantedImage,
  ports: FetchPorts,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<ImageFile> {
  const { http } = wanted.source;
  const credentials = await readCredentials(http, ports.readSecret);
  const download = await openHttp(http.url, { ...credentials, signal });
  const tree = join(staging, 'tree');
  try {
    const { totalBytes } = download;
    const progress = { downloadedBytes: 0, ...(totalBytes !== undefined && { totalBytes }) };
    checkSpace(await readSpace(ports.paths.staging), totalBytes ?? 0);
    await mkdir(staging, { mode: 0o700 });
    await mkdir(tree, { mode: 0o755 });
    const onBytes = (bytes: number) => {
      progress.downloadedBytes += bytes;
      ports.countBytes?.(bytes);
      onProgress(progress);
    };
    const archiveBytes = await transfer(download, { directory: tree, digest: wanted.digest, signal, onBytes });
    return await publishTree(tree, { staging, wanted, archiveBytes }, ports, signal);
  } finally {
    await download.close();
  }
}

function timedOut({ timeoutSeconds }: WantedImage): FetchError {
  const message = `Fetching took longer than ${timeoutSeconds} s; raise download.timeoutSeconds of the ImageDistribution or use a faster source`;
  return new FetchError('TimedOut', message);
}

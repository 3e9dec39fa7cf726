import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WantedImage } from '../api/nodestore.ts';
import { formatTime } from '../runtime/time.ts';
import { readCredentials } from './download/credentials.ts';
import type { ReadSecret } from './download/credentials.ts';
import { openHttp } from './download/http.ts';
import { checkArchitecture, checkBundleArchitecture } from './extract/architecture.ts';
import type { Architecture } from './extract/architecture.ts';
import { readUnpacked } from './extract/bundle.ts';
import { detectLayout, readTop } from './extract/layout.ts';
import { FetchError, toFetchError } from './failure.ts';
import { mountScriptShaOf } from './mount-script.ts';
import { Room } from './room.ts';
import type { Claim } from './room.ts';
import { readSettings } from './settings.ts';
import type { ImageFile } from './store/image-file.ts';
import { measureTree } from './store/measure.ts';
import type { StorePaths } from './store/paths.ts';
import { readSpace } from './store/space.ts';
import { publish } from './store/publish.ts';
import { removeTree } from './store/remove.ts';
import { transfer } from './transfer.ts';

export interface FetchPorts {
  paths: StorePaths;
  readSecret: ReadSecret;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
  /** Shared by all fetches of the node; without it a fetch takes itself to be alone. */
  room?: Room;
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
  const room = ports.room ?? new Room(() => readSpace(ports.paths.staging), readSettings({}).minFree);
  let claim: Claim | undefined;
  try {
    const { totalBytes } = download;
    const progress = { downloadedBytes: 0, ...(totalBytes !== undefined && { totalBytes }) };
    claim = await room.claim({ archiveBytes: totalBytes, unpackedBytes: wanted.unpackedBytes });
    await mkdir(staging, { mode: 0o700 });
    await mkdir(tree, { mode: 0o755 });
    const onBytes = (bytes: number) => {
      progress.downloadedBytes += bytes;
      ports.countBytes?.(bytes);
      onProgress(progress);
    };
    const archiveBytes = await transfer(download, { directory: tree, digest: wanted.digest, signal, onBytes, claim });
    return await publishTree(staging, tree, wanted, archiveBytes, { ports, signal });
  } finally {
    claim?.release();
    await download.close();
  }
}

async function publishTree(
  staging: string,
  tree: string,
  wanted: WantedImage,
  archiveBytes: number,
  { ports, signal }: { ports: FetchPorts; signal: AbortSignal },
): Promise<ImageFile> {
  const { os, version, digest } = wanted;
  const unpacked = await readUnpacked(tree, wanted);
  const shape = detectLayout(await readTop(unpacked.root));
  checkBundleArchitecture(unpacked.architecture, ports.architecture);
  await checkArchitecture(unpacked.root, ports.architecture);
  const size = await measureTree(unpacked.root);
  const overlayBytes = Object.fromEntries(shape.directories.map((name) => [name, size.overlayBytes[name] ?? 0]));
  const layout = { ...shape, overlayBytes };

  const entry = join(staging, 'entry');
  await mkdir(entry, { mode: 0o755 });
  await rename(unpacked.root, join(entry, 'root'));
  // The top directory of an archive may have any mode, even one that keeps the container's runtime out.
  await chmod(join(entry, 'root'), 0o755);
  const script = wanted.mountScript || unpacked.mountScript;
  if (script !== undefined) await writeFile(join(entry, 'mount.sh'), script, { mode: 0o755 });

  const mountScriptSha = mountScriptShaOf(wanted);
  const image: ImageFile = {
    os,
    version,
    digest,
    layout,
    ...(unpacked.defaults && { defaults: unpacked.defaults }),
    hasMountScript: script !== undefined,
    ...(mountScriptSha !== undefined && { mountScriptSha }),
    archiveBytes,
    unpackedBytes: size.bytes,
    files: size.files,
    publishTime: formatTime(ports.now()),
  };
  await publish(ports.paths, entry, image, signal);
  return image;
}

function timedOut({ timeoutSeconds }: WantedImage): FetchError {
  const message = `Fetching took longer than ${timeoutSeconds} s; raise download.timeoutSeconds of the ImageDistribution or use a faster source`;
  return new FetchError('TimedOut', message);
}

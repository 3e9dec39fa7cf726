import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WantedImage } from '../api/nodestore.ts';
import { formatTime } from '../runtime/time.ts';
import type { ReadSecret } from './download/credentials.ts';
import type { HttpSettings } from './download/http-request.ts';
import { checkArchitecture, checkBundleArchitecture } from './extract/architecture.ts';
import type { Architecture } from './extract/architecture.ts';
import { readUnpacked } from './extract/bundle.ts';
import { detectLayout, readTop } from './extract/layout.ts';
import { FetchError, toFetchError } from './failure.ts';
import { mountScriptShaOf } from './mount-script.ts';
import { openArchive } from './obtain/http.ts';
import { openImage } from './obtain/oci.ts';
import type { Obtained, Source } from './obtain/source.ts';
import type { RegistryPorts } from './registry/registry.ts';
import { checkSpace } from './space-guard.ts';
import type { ImageFile } from './store/image-file.ts';
import { measureTree } from './store/measure.ts';
import type { StorePaths } from './store/paths.ts';
import { publish } from './store/publish.ts';
import { removeTree } from './store/remove.ts';
import { readSpace } from './store/space.ts';

export interface FetchPorts {
  paths: StorePaths;
  readSecret: ReadSecret;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
  /** A name that was never used before. */
  uniqueId: () => string;
  /** How web servers are asked; the defaults when unset. */
  http?: HttpSettings;
  registries: RegistryPorts;
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
  const source = await openSource(wanted, ports, signal);
  const tree = join(staging, 'tree');
  try {
    const { totalBytes } = source;
    const progress = { downloadedBytes: 0, ...(totalBytes !== undefined && { totalBytes }) };
    checkSpace(await readSpace(ports.paths.staging), totalBytes ?? 0);
    await mkdir(staging, { mode: 0o700 });
    await mkdir(tree, { mode: 0o755 });
    const onBytes = (bytes: number) => {
      progress.downloadedBytes += bytes;
      if (bytes > 0) ports.countBytes?.(bytes);
      onProgress(progress);
    };
    const obtained = await source.obtain({ directory: tree, scratch: staging, signal, onBytes });
    return await publishTree(staging, tree, wanted, obtained, { ports, signal });
  } finally {
    await source.close();
  }
}

function openSource(wanted: WantedImage, ports: FetchPorts, signal: AbortSignal): Promise<Source> {
  const { readSecret, architecture, registries } = ports;
  const { source, digest } = wanted;
  if (source.http) return openArchive(source.http, digest, { ...ports.http, readSecret, signal });
  const options = { http: ports.http, readSecret, signal };
  if (source.oci) return openImage(source.oci, digest, { ...registries, architecture }, options);
  throw new FetchError('UnsupportedImage', 'It names no source that this agent knows; update the agent of this node');
}

async function publishTree(
  staging: string,
  tree: string,
  wanted: WantedImage,
  { archiveBytes, defaults: ofSource }: Obtained,
  { ports, signal }: { ports: FetchPorts; signal: AbortSignal },
): Promise<ImageFile> {
  const { os, version, digest } = wanted;
  const unpacked = await readUnpacked(tree, wanted);
  const defaults = unpacked.defaults ?? ofSource;
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
    ...(defaults && { defaults }),
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

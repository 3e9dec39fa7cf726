import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredImage } from '../../api/nodestore.ts';
import type { ReadSecret } from '../../image/download/credentials.ts';
import type { HttpSettings } from '../../image/download/http-request.ts';
import { createThrottle } from '../../image/download/throttle.ts';
import type { Architecture } from '../../image/unpack/architecture.ts';
import { FetchError, toFetchError } from '../../image/failure.ts';
import { openArchive } from '../../image/http-source.ts';
import { openImage } from '../../image/oci-source.ts';
import type { Source } from '../../image/source.ts';
import type { RegistryPorts } from '../../image/registry/registry.ts';
import { guarded } from '../../image/disk/reservations.ts';
import type { DiskReservations } from '../../image/disk/reservations.ts';
import type { Reservation } from '../../image/disk/reservations.ts';
import { readRule } from '../../image/signatures/read-rule.ts';
import { publishTree } from './commit-tree.ts';
import type { ImageFile } from '../store/image-file.ts';
import type { StorePaths } from '../store/paths.ts';
import { maxEntries } from '../../image/disk/limits.ts';
import { countFiles } from '../../system/walk.ts';
import { removeTree } from '../../system/files.ts';

export interface FetchPorts {
  paths: StorePaths;
  readSecret: ReadSecret;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
  /** Digests of which the right bytes were seen on this node, but found no room. */
  seen?: Set<string>;
  /** Shared by all fetches of the node. */
  reservations: DiskReservations;
  /** A name that was never used before. */
  uniqueId: () => string;
  /** How web servers are asked; the defaults when unset. */
  http?: HttpSettings;
  registries: RegistryPorts;
  signatures: {
    /** Which sources must be signed, and by whom; it need not be there. */
    policyFile: string;
  };
  /** Told of every piece that was downloaded. */
  countBytes?: (bytes: number) => void;
}

export interface FetchProgress {
  downloadedBytes: number;
  totalBytes?: number;
}

/**
 * Makes one try to get an image into the store: downloads, verifies, unpacks, inspects and publishes it. Throws a FetchError;
 * nothing of the image is left then. When `signal` aborts, its reason is thrown instead.
 */
export async function fetchImage(
  desired: DesiredImage,
  ports: FetchPorts,
  signal: AbortSignal,
  onProgress: (progress: FetchProgress) => void = () => undefined,
): Promise<ImageFile> {
  const staging = join(ports.paths.staging, `${desired.os}.${desired.version}.${ports.uniqueId()}`);
  const limit = AbortSignal.timeout(desired.timeoutSeconds * 1000);
  try {
    return await fetchInto(staging, desired, ports, AbortSignal.any([signal, limit]), onProgress);
  } catch (error) {
    signal.throwIfAborted();
    throw limit.aborted && !(error instanceof FetchError) ? timedOut(desired) : toFetchError(error);
  } finally {
    await removeTree(staging);
  }
}

async function fetchInto(
  staging: string,
  desired: DesiredImage,
  ports: FetchPorts,
  signal: AbortSignal,
  onProgress: (progress: FetchProgress) => void,
): Promise<ImageFile> {
  const source = await openSource(desired, ports, signal);
  const tree = join(staging, 'tree');
  const { reservations } = ports;
  let reservation: Reservation | undefined;
  let isWhole = false;
  try {
    const { totalBytes } = source;
    const progress = { downloadedBytes: 0, ...(totalBytes !== undefined && { totalBytes }) };
    const expected = { archiveBytes: totalBytes, unpackedBytes: desired.unpackedBytes };
    reservation = await reservations.reserve(expected, () => countFiles(staging, maxEntries, signal));
    await mkdir(staging, { mode: 0o700 });
    await mkdir(tree, { mode: 0o755 });
    const onBytes = (bytes: number) => {
      progress.downloadedBytes += bytes;
      if (bytes > 0) ports.countBytes?.(bytes);
      onProgress(progress);
    };
    // Also between two layers of an image, where nothing is being unpacked, but the next one comes.
    const soFar = () => Promise.resolve({ ...progress, unpackedBytes: undefined });
    const into = { directory: tree, scratch: staging, onBytes, reservation };
    const obtained = await guarded(reservation, soFar, signal, (inner) => source.obtain({ ...into, signal: inner }));
    isWhole = true;
    const ensure = (bytes: number) => reservations.ensureFree(bytes);
    return await publishTree(tree, { staging, desired, ...obtained }, { ...ports, ensure }, signal);
  } catch (error) {
    const failure = toFetchError(error);
    if (failure.reason !== 'NoSpace' || signal.aborted) throw error;
    reservation?.release();
    await removeTree(staging);
    // All came; or nothing, and its size is that of the right bytes.
    const seen = new Set(isWhole || (source.sizeIsVerified && !reservation) ? [desired.digest] : []);
    throw await verified(failure, source, desired.digest, seen.size > 0 ? seen : (ports.seen ?? seen), signal);
  } finally {
    reservation?.release();
    await source.close();
  }
}

/** A server that sends nothing for so long is not waited for, when all that is asked is whether it has the right bytes. */
const verifyStallSeconds = 10;

/**
 * Other images may make room for an image, but not for whatever a server says or sends: so all of it is downloaded once, without
 * being kept, to see whether it is the right one.
 */
async function verified(failure: FetchError, source: Source, digest: string, seen: Set<string>, signal: AbortSignal) {
  if (!seen.has(digest)) {
    const stalled = new AbortController();
    const stall = setTimeout(() => stalled.abort(), verifyStallSeconds * 1000);
    try {
      await source.verify(AbortSignal.any([signal, stalled.signal]), () => stall.refresh());
    } catch (error) {
      // A server that sends nothing must not hide that there is too little space.
      throw stalled.signal.aborted ? failure : error;
    } finally {
      clearTimeout(stall);
    }
  }
  seen.add(digest);
  return new FetchError(failure.reason, failure.message, { cause: failure.cause, verified: true });
}

async function openSource(desired: DesiredImage, ports: FetchPorts, signal: AbortSignal): Promise<Source> {
  const { source, digest, bytesPerSecond } = desired;
  const { readSecret, architecture, registries, http, signatures } = ports;
  const rule = await readRule(signatures.policyFile, source);
  const throttle = bytesPerSecond === undefined ? undefined : createThrottle(bytesPerSecond);
  const options = { http, readSecret, throttle, signal, signature: rule };
  if (source.http && rule && rule.keys.length > 0) throw unsignable(rule.prefix);
  if (source.http) return openArchive(source.http, digest, { ...http, readSecret, throttle, signal });
  if (source.oci) return openImage(source.oci, digest, { ...registries, architecture }, options);
  throw new FetchError('UnsupportedImage', 'It names no source that this agent knows; update the agent of this node');
}

function unsignable(prefix: string): FetchError {
  const message = `An archive on a web server has no signature, and the policy wants one for ${prefix}; put the image into a registry and sign it there, or exempt its URL in the ConfigMap monoroot-signatures`;
  return new FetchError('SignatureMissing', message);
}

function timedOut({ timeoutSeconds }: DesiredImage): FetchError {
  const message = `Fetching took longer than ${timeoutSeconds} s; raise download.timeoutSeconds of the ImageDistribution or use a faster source`;
  return new FetchError('TimedOut', message);
}

import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import type { WantedImage } from '../../api/nodestore.ts';
import { FetchError } from '../../image/failure.ts';
import { fetchImage } from '../fetch/fetch.ts';
import type { FetchPorts } from '../fetch/fetch.ts';
import { listStore } from '../store/list.ts';
import { sha256 } from './archive.ts';
import { fetchPorts, wantedImage } from './images.ts';
import type { WantedArchive } from './images.ts';
import { serveBytes } from './server.ts';

/** For a fetch that nobody stops. */
export const signal = new AbortController().signal;

/** An image whose archive is these bytes on a real web server. */
export async function wantedBytes(bytes: Buffer, changes: Partial<WantedImage> = {}): Promise<WantedArchive> {
  const http = { url: `${await serveBytes(bytes)}/image`, sha256: sha256(bytes) };
  return wantedImage('v1', { digest: `sha256:${http.sha256}`, source: { http }, ...changes });
}

/** Why the fetch of an image fails; nothing of it may be left. */
export async function failure(image: WantedImage, ports: FetchPorts): Promise<FetchError> {
  const error: unknown = await fetchImage(image, ports, signal).catch((thrown: unknown) => thrown);
  if (!(error instanceof FetchError)) throw new Error(`Expected a FetchError, got ${String(error)}`, { cause: error });
  await expectNothingLeft(ports);
  return error;
}

/** Neither in the store nor beside it. */
export async function expectNothingLeft({ paths }: FetchPorts): Promise<void> {
  expect([await readdir(paths.staging), await listStore(paths)]).toEqual([[], { images: [], broken: [] }]);
  expect(await readdir(paths.root)).toEqual(['staging', 'store', 'trash']);
}

/** Why an archive of these bytes is not stored. */
export async function reasonOf(bytes: Buffer, changes: Partial<WantedImage> = {}): Promise<string> {
  return (await failure(await wantedBytes(bytes, changes), await fetchPorts())).reason;
}

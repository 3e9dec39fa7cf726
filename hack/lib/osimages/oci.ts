import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '../process.ts';
import { packDifference, packTree } from './layers.ts';

/** OCI images made of trees, as a layout on the disk. https://github.com/opencontainers/image-spec */

export type Compression = 'none' | 'gzip' | 'zstd';

export interface Descriptor {
  mediaType: string;
  /** `sha256:…` */
  digest: string;
  size: number;
}

export interface OciImage {
  /** Of the layout: oci-layout, index.json and blobs/. */
  directory: string;
  /** Of the manifest. */
  digest: string;
  layers: Descriptor[];
}

export interface ImageOptions {
  /** One for all layers, or one for each. */
  compression?: Compression | readonly Compression[];
  /** Entrypoint, Cmd, Env, WorkingDir, User. */
  config?: object;
  architecture?: string;
}

const mediaTypes: Record<Compression, string> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
};
export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const compressors: Record<Compression, readonly string[]> = {
  none: ['cat'],
  gzip: ['gzip', '--no-name', '--stdout'],
  zstd: ['zstd', '--quiet', '--stdout', '-T0'],
};

/**
 * Writes an image of one architecture to `directory`, whole or not at all. The first root becomes the lowest layer whole; each
 * of the others becomes a layer of what differs from the one before, so that the last is what a container sees. Equal roots
 * give an equal digest.
 */
export async function writeImage(
  directory: string,
  roots: readonly string[],
  { compression = 'zstd', config = {}, architecture = 'amd64' }: ImageOptions = {},
): Promise<OciImage> {
  const target = `${directory}.new`;
  await rm(target, { recursive: true, force: true });
  await mkdir(join(target, 'blobs/sha256'), { recursive: true });
  const layers: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const [i, root] of roots.entries()) {
    const below = roots[i - 1];
    const work = mkdtempSync(join(target, '.layer-'));
    const tar = join(work, 'layer.tar');
    if (below === undefined) await packTree(root, tar);
    else await packDifference(below, root, tar, work);
    const kind = typeof compression === 'string' ? compression : (compression[i] ?? 'zstd');
    diffIds.push(await digestOf(tar));
    layers.push(await compress(tar, kind, target));
    await rm(work, { recursive: true });
  }
  const rootfs = { type: 'layers', diff_ids: diffIds };
  const configuration = await writeJson(target, 'application/vnd.oci.image.config.v1+json', {
    architecture,
    os: 'linux',
    config,
    rootfs,
  });
  const manifest = await writeJson(target, manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: configuration,
    layers,
  });
  await writeFile(join(target, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  await writeFile(join(target, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await rm(directory, { recursive: true, force: true });
  await rename(target, directory);
  return { directory, digest: manifest.digest, layers };
}

/** Reads what `writeImage` has written. */
export function readImage(directory: string): OciImage {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(directory, path), 'utf8'));
  const { manifests } = read('index.json') as { manifests: Descriptor[] };
  const digest = manifests[0]?.digest;
  if (digest === undefined) throw new Error(`${directory} holds no image`);
  const { layers } = read(blobPath(digest)) as { layers: Descriptor[] };
  return { directory, digest, layers };
}

/** Where a layout keeps the bytes with this digest. */
export const blobPath = (digest: string): string => join('blobs', digest.replace(':', '/'));

/** Compresses a tar file into a blob of the layout in `target`; equal bytes give equal bytes. */
export async function compress(tar: string, kind: Compression, target: string): Promise<Descriptor> {
  const file = `${tar}.${kind}`;
  const script = 'out=$1 in=$2; shift 2; exec "$@" <"$in" >"$out"';
  const { code, stderr } = await run('sh', ['-c', script, 'sh', file, tar, ...compressors[kind]]);
  if (code !== 0) throw new Error(`${compressors[kind].join(' ')} failed: ${stderr.trim()}`);
  return addBlob(target, mediaTypes[kind], file);
}

/** Adds what an object is in JSON as a blob. */
export async function writeJson(target: string, mediaType: string, value: object): Promise<Descriptor> {
  const file = join(target, '.json');
  await writeFile(file, JSON.stringify(value));
  return addBlob(target, mediaType, file);
}

async function addBlob(target: string, mediaType: string, file: string): Promise<Descriptor> {
  const [digest, { size }] = [await digestOf(file), statSync(file)];
  await rename(file, join(target, blobPath(digest)));
  return { mediaType, digest, size };
}

/** `sha256:…` of a file. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

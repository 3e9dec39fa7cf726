import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OciSource } from '../api/sources.ts';
import type { Download } from './download/http.ts';
import type { Architecture } from './unpack/architecture.ts';
import { clearForLayer } from './unpack/layer.ts';
import { FetchError, wrongDigest } from './failure.ts';
import { parseConfig, parseManifest } from './registry/image.ts';
import type { Layer, Manifest } from './registry/image.ts';
import { readLevel } from './registry/variant.ts';
import { openRegistry, tooLong } from './registry/registry.ts';
import type { Registry, RegistryOptions, RegistryPorts } from './registry/registry.ts';
import { verifySignature } from './signatures/verify.ts';
import type { Rule } from './signatures/policy.ts';
import { removeTree } from '../system/files.ts';
import { checkDigest, transfer } from './transfer.ts';
import type { ObtainOptions, Source } from './source.ts';

export interface ImageOptions extends RegistryOptions {
  /** Which signature an image must have before any of it is fetched; none when unset. */
  signature?: Rule | undefined;
}

/**
 * The image of this digest, of its manifest or index, in a registry. Its lowest layer, which is the biggest as a rule, is unpacked while it comes. Each of the others is
 * downloaded to a file while the one before it is being unpacked: what it removes has to be known before. Nothing of it is fetched
 * unless it has the signature that `options` ask for.
 */
export async function openImage(
  source: OciSource,
  digest: string,
  ports: RegistryPorts & { architecture: Architecture },
  options: ImageOptions,
): Promise<Source> {
  const registry = await openRegistry(source, ports, options);
  try {
    await checkSignature(registry, digest, options);
    const { config, layers } = await readImage(registry, digest, ports.architecture);
    const defaults = parseConfig(await registry.readBlob(config.digest, config.size), ports.architecture);
    const totalBytes = layers.reduce((sum, { size }) => sum + size, 0);
    return {
      totalBytes,
      sizeIsVerified: true,
      async verify(until, onBytes) {
        for (const layer of layers) {
          const read = (download: Download) =>
            checkDigest(limit(download, layer.digest, layer.size), layer.digest, onBytes);
          await registry.download(layer.digest, read, until);
        }
      },
      async obtain(into) {
        await unpackLayers(registry, layers, into);
        return { archiveBytes: totalBytes, ...(defaults && { defaults }) };
      },
      close: () => registry.close(),
    };
  } catch (error) {
    await registry.close();
    throw error;
  }
}

/** Throws unless the image has the signature that it must have, if any, at a mirror or at its registry. */
async function checkSignature(registry: Registry, digest: string, options: ImageOptions): Promise<void> {
  const { signature, signal } = options;
  if (!signature || signature.keys.length === 0) return;
  await registry.ask((server) => verifySignature(server, digest, signature, signal));
}

async function readImage(registry: Registry, digest: string, architecture: Architecture): Promise<Manifest> {
  const first = parseManifest(await registry.readManifest(digest), architecture, await readLevel());
  if (!('child' in first)) return first;
  const second = parseManifest(await registry.readManifest(first.child), architecture);
  if (!('child' in second)) return second;
  throw new FetchError('UnsupportedImage', 'Its index leads to another index; name the inner one in source.oci.digest');
}

async function unpackLayers(
  registry: Registry,
  [lowest, ...others]: readonly Layer[],
  options: ObtainOptions,
): Promise<void> {
  if (!lowest) return;
  await unpackLowest(registry, lowest, options);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let next: Promise<string> | undefined;
  /** One download at a time, as the bandwidth is limited by the download. */
  const prefetch = (index: number) => {
    const layer = others[index];
    next = layer && save(registry, layer, join(options.scratch, `layer-${index}`), { ...options, signal });
    // Looked at when its turn comes, or never.
    next?.catch(() => undefined);
  };
  try {
    prefetch(0);
    for (const [index, { digest }] of others.entries()) {
      const file = await next;
      if (file === undefined) return;
      prefetch(index + 1);
      await unpackOver(file, digest, options);
      await rm(file);
    }
  } finally {
    stop.abort();
    await next?.catch(() => undefined);
  }
}

function unpackLowest(registry: Registry, { digest, size }: Layer, options: ObtainOptions): Promise<unknown> {
  const { directory } = options;
  let begun = false;
  return registry.download(digest, async (download) => {
    if (begun) await empty(directory);
    begun = true;
    const count = counting(options.onBytes);
    const limited = { body: limit(download, digest, size) };
    // Whiteouts of the lowest layer have nothing to remove.
    const into = { ...options, digest, onBytes: count.onBytes, unpack: { filter: { kind: 'layer' } as const } };
    return transfer(limited, into).catch(count.takeBack);
  });
}

async function unpackOver(file: string, digest: string, options: ObtainOptions): Promise<void> {
  await clearForLayer(options.directory, file, options.signal);
  const body = createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>;
  // It was counted when it was downloaded.
  const filter = { kind: 'layer', tree: options.directory } as const;
  const into = { ...options, digest, onBytes: () => undefined, unpack: { filter } };
  await transfer({ body }, into);
}

/** Downloads a layer to a file, verified. */
function save(registry: Registry, { digest, size }: Layer, path: string, options: ObtainOptions): Promise<string> {
  const { signal, onBytes } = options;
  const use = async (download: Download) => {
    const count = counting(onBytes);
    const file = await open(path, 'w', 0o600);
    try {
      const hash = createHash('sha256');
      for await (const chunk of limit(download, digest, size)) {
        hash.update(chunk);
        await file.write(chunk);
        count.onBytes(chunk.length);
      }
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== digest) throw wrongDigest(digest, actual, size);
      return path;
    } catch (error) {
      return count.takeBack(error);
    } finally {
      await file.close();
    }
  };
  return registry.download(digest, use, signal);
}

async function* limit({ body }: Download, digest: string, size: number): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > size) throw tooLong(digest, size);
    yield chunk;
  }
}

/** Counts the bytes of one try, which are taken back when it fails. */
function counting(onBytes: (bytes: number) => void) {
  let counted = 0;
  return {
    onBytes: (bytes: number) => {
      counted += bytes;
      onBytes(bytes);
    },
    takeBack: (error: unknown): never => {
      onBytes(-counted);
      throw error as Error;
    },
  };
}

async function empty(directory: string): Promise<void> {
  await removeTree(directory);
  await mkdir(directory, { mode: 0o755 });
}

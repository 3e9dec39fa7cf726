import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WantedImage } from '../api/nodestore.ts';
import { formatTime } from '../runtime/time.ts';
import { checkArchitecture, checkBundleArchitecture } from './extract/architecture.ts';
import type { Architecture } from './extract/architecture.ts';
import { readUnpacked } from './extract/bundle.ts';
import { detectLayout, readTop } from './extract/layout.ts';
import { mountableVolumes } from './extract/volumes.ts';
import { mountScriptShaOf } from './mount-script.ts';
import type { Obtained } from './obtain/source.ts';
import type { ImageFile } from './store/image-file.ts';
import { listStore } from './store/list.ts';
import { measureTree } from './store/measure.ts';
import { entryPath } from './store/paths.ts';
import type { StorePaths } from './store/paths.ts';
import { publish } from './store/publish.ts';
import { NewFiles, shareFiles } from './store/share.ts';

export interface SealPorts {
  paths: StorePaths;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
}

/** What is known about an unpacked tree besides itself. */
export interface Origin extends Obtained {
  /** The directory that holds the tree, on the file system of the store; it may be used freely. */
  staging: string;
  wanted: WantedImage;
}

/**
 * Inspects an unpacked, verified tree, shares its files with those of other images, and publishes it. Throws a FetchError when
 * it is no image for this node; the store is as before then.
 */
export async function publishTree(
  tree: string,
  { staging, wanted, archiveBytes, defaults: ofSource }: Origin,
  { paths, architecture, now }: SealPorts,
  signal: AbortSignal,
): Promise<ImageFile> {
  const { os, version, digest } = wanted;
  const unpacked = await readUnpacked(tree, wanted);
  const defaults = unpacked.defaults ?? ofSource;
  const shape = detectLayout(await readTop(unpacked.root));
  checkBundleArchitecture(unpacked.architecture, architecture);
  await checkArchitecture(unpacked.root, architecture);
  const files = new NewFiles();
  const size = await measureTree(unpacked.root, files.add);
  const overlayBytes = Object.fromEntries(shape.directories.map((name) => [name, size.overlayBytes[name] ?? 0]));
  const volumes = await mountableVolumes(unpacked.root, defaults?.volumes ?? []);
  const layout = { ...shape, ...(volumes.length > 0 && { volumes }), overlayBytes };

  const entry = join(staging, 'entry');
  const root = join(entry, 'root');
  await mkdir(entry, { mode: 0o755 });
  await rename(unpacked.root, root);
  // The top directory of an archive may have any mode, even one that keeps the container's runtime out.
  await chmod(root, 0o755);
  const script = wanted.mountScript || unpacked.mountScript;
  if (script !== undefined) await writeFile(join(entry, 'mount.sh'), script, { mode: 0o755 });
  const sharedBytes = await shareFiles(root, files, await relatives(paths, wanted), join(staging, 'share'), signal);

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
    sharedBytes,
    files: size.files,
    publishTime: formatTime(now()),
  };
  await publish(paths, entry, image, signal);
  return image;
}

/** The published images, those first with which there is most in common: of the same operating system, and the latest. */
async function relatives(paths: StorePaths, { os }: WantedImage): Promise<string[]> {
  const { images } = await listStore(paths);
  const rank = (image: ImageFile) => `${image.os === os ? 1 : 0} ${image.publishTime}`;
  return images.sort((a, b) => (rank(a) < rank(b) ? 1 : -1)).map((image) => entryPath(paths, image));
}

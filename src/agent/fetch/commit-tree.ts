import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredImage } from '../../api/nodestore.ts';
import { formatTime } from '../../runtime/time.ts';
import { checkArchitecture, checkBundleArchitecture } from '../../image/unpack/architecture.ts';
import type { Architecture } from '../../image/unpack/architecture.ts';
import { readUnpacked } from '../../image/unpack/bundle.ts';
import { detectLayout, readTop } from '../../image/unpack/layout.ts';
import { hasOwnProgram } from '../../image/unpack/program.ts';
import { mountableVolumes } from '../../image/unpack/volumes.ts';
import { FetchError } from '../../image/failure.ts';
import { mountScriptShaOf } from '../store/mount-script.ts';
import type { Obtained } from '../../image/source.ts';
import type { ImageFile } from '../store/image-file.ts';
import { listStore } from '../store/list.ts';
import { addAttributes, describeEntry } from '../store/describe.ts';
import { Survey } from '../store/measure.ts';
import { entryPath } from '../store/paths.ts';
import type { StorePaths } from '../store/paths.ts';
import { publish } from '../store/commit.ts';
import { shareFiles } from '../store/share.ts';
import { Sorter } from '../store/sorter.ts';
import type { Ensure } from '../store/sorter.ts';
import { syncFileSystem } from '../store/sync.ts';
import { together } from '../../runtime/together.ts';
import { mostDescriptionBytes } from '../../image/untrusted.ts';

export interface SealPorts {
  paths: StorePaths;
  /** Of this node. */
  architecture: Architecture;
  now: () => Date;
  /** See `SorterOptions`. */
  ensure?: Ensure | undefined;
}

/** What is known about an unpacked tree besides itself. */
export interface Origin extends Obtained {
  /** The directory that holds the tree, on the file system of the store; it may be used freely. */
  staging: string;
  desired: DesiredImage;
}

/**
 * Inspects an unpacked, verified tree, shares its files with those of other images, and publishes it. Throws a FetchError when
 * it is no image for this node; the store is as before then.
 */
export async function publishTree(
  tree: string,
  { staging, desired, archiveBytes, defaults: ofSource }: Origin,
  { paths, architecture, now, ensure }: SealPorts,
  signal: AbortSignal,
): Promise<ImageFile> {
  const { os, version, digest } = desired;
  const unpacked = await readUnpacked(tree, desired);
  const defaults = unpacked.defaults ?? ofSource;
  const hasProgram = await hasOwnProgram(unpacked.root, defaults);
  const shape = detectLayout(await readTop(unpacked.root), hasProgram);
  checkBundleArchitecture(unpacked.architecture, architecture);
  await checkArchitecture(unpacked.root, architecture);
  const volumes = await mountableVolumes(unpacked.root, defaults?.volumes ?? []);

  const layout = { ...shape, ...(volumes.length > 0 && { volumes }) };
  checkDescription({ defaults, layout });

  const entry = join(staging, 'entry');
  const root = join(entry, 'root');
  await mkdir(entry, { mode: 0o755 });
  await rename(unpacked.root, root);
  // The top directory of an archive may have any mode, even one that keeps the container's runtime out.
  await chmod(root, 0o755);
  const script = desired.mountScript || unpacked.mountScript;
  if (script !== undefined) await writeFile(join(entry, 'mount.sh'), script, { mode: 0o755 });

  const mountScriptSha = mountScriptShaOf(desired);
  const entries = await relatives(paths, desired);
  const work = join(staging, 'share');
  await mkdir(work, { mode: 0o700 });
  const lists = { scratch: work, signal, ensure };
  const survey = new Survey(lists);
  const attributes = new Sorter(lists);
  try {
    const look = together(survey.look(root, signal), addAttributes(entry, attributes, signal));
    // Files that are going to be shared need not be written to the disk; without any to share with, the disk can begin at once.
    await together(look, entries.length > 0 ? Promise.resolve() : syncFileSystem(entry, signal));
    const sharedBytes = await shareFiles({
      ...{ root, survey, entries, work, signal, ensure, now },
      attributes: () => attributes.sorted(),
    });
    const overlayBytes = Object.fromEntries(
      shape.directories.map((name) => [name, survey.size.overlayBytes.get(name) ?? 0]),
    );
    const image: ImageFile = {
      os,
      version,
      digest,
      layout: { ...layout, overlayBytes },
      ...(defaults && { defaults }),
      hasMountScript: script !== undefined,
      ...(mountScriptSha !== undefined && { mountScriptSha }),
      archiveBytes,
      unpackedBytes: survey.size.bytes,
      sharedBytes,
      files: survey.size.files,
      publishTime: formatTime(now()),
    };
    await publish(paths, entry, image, signal, () => describeEntry(entry, { survey, attributes }, signal));
    return image;
  } finally {
    await survey.close();
    await attributes.close();
  }
}

/** The published images, those first with which there is most in common: of the same operating system, and the latest. */
async function relatives(paths: StorePaths, { os }: DesiredImage): Promise<string[]> {
  const { images } = await listStore(paths);
  const rank = (image: ImageFile) => `${image.os === os ? 1 : 0} ${image.publishTime}`;
  return images.sort((a, b) => (rank(a) < rank(b) ? 1 : -1)).map((image) => entryPath(paths, image));
}

/**
 * All images of a node share one status: none may take much of it (TooLarge), or make the API server refuse it, which takes no variable
 * twice. No command and no environment can have a zero byte (UnsupportedImage).
 */
function checkDescription(description: Pick<ImageFile, 'defaults' | 'layout'>): void {
  const names = (description.defaults?.env ?? []).map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new FetchError('UnsupportedImage', `Its defaults have the variable ${twice} twice; leave one of them out`); // prettier-ignore
  if (/(?<!\\)(?:\\\\)*\\u0000/.test(JSON.stringify(description.defaults ?? {})))
    throw new FetchError(
      'UnsupportedImage',
      'Its defaults have a zero byte, which no command can be given; leave it out',
    );
  const bytes = Buffer.byteLength(JSON.stringify(description));
  if (bytes <= mostDescriptionBytes) return;
  const message = `Its defaults and the names on top of its root take ${bytes} bytes of the status of each node, and at most ${mostDescriptionBytes} are taken`;
  throw new FetchError('TooLarge', `${message}; shorten command, args and env`);
}

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildAnswer, Recipe } from '../api/buildrun.ts';
import type { LiteralDefaults } from '../api/osimage.ts';
import { removeTree } from '../system/files.ts';
import { literalOnly } from '../api/defaults.ts';
import { testingReference } from '../api/images.ts';
import { describeBase, makeBase } from './base.ts';
import { runCommands } from './commands.ts';
import { writeFiles } from './files.ts';
import { makeImage, makePackageList } from './image.ts';
import type { Image } from './image.ts';
import { changePackages, describePackages } from './packages.ts';
import { listPackages } from './packagelist.ts';
import type { PackageList } from './packagelist.ts';
import { packBundle, packTree } from './pack.ts';
import type { Packed } from './pack.ts';
import type { BuilderPorts } from './ports.ts';
import { packageListReference } from './references.ts';
import { withRegistry } from './registry.ts';
import { createSteps } from './steps.ts';
import type { Steps } from './steps.ts';
import { tidy } from './tidy.ts';

/** From a recipe to an image in the testing repository. */

/** A finished tree. */
export interface BuiltTree {
  root: string;
  mountScript: string | undefined;
  /** Values only: what the OSImage says besides counts by itself. */
  defaults: LiteralDefaults | undefined;
  list: PackageList;
}

export type BuildSuccess = Extract<BuildAnswer, { digest: string }>;

/** The steps that make a tree, for an image or for a directory. */
const treeSteps = 6;

/** Builds an image and pushes it. Throws. */
export async function buildAndPush(recipe: Recipe, ports: BuilderPorts): Promise<BuildSuccess> {
  const steps = createSteps(treeSteps + 3, ports.progress);
  const reference = testingReference(recipe.build, recipe);
  return inWork(ports, async (inner) => {
    await askRegistry(recipe, inner, steps);
    const tree = await buildTree(recipe, inner, steps);
    const { image, packed } = await steps.run('pack', 'one layer', () => packImage(recipe, tree, inner));
    const sbomDigest = await steps.run('push', reference, () => pushImage(recipe, image, tree.list, inner));
    return { digest: image.manifest.digest, bundleBytes: packed.bytes, packages: tree.list.packages, sbomDigest };
  });
}

/** Calls `use` with an empty directory to work in, which is removed at the end. */
export async function inWork<T>(ports: BuilderPorts, use: (ports: BuilderPorts) => Promise<T>): Promise<T> {
  const work = join(ports.work, 'build');
  // A container that was started again finds what the one before has left.
  await removeTree(work);
  // Modes of directories that are made on the way must not depend on who builds.
  const umask = process.umask(0o022);
  try {
    await mkdir(join(work, 'tmp'), { recursive: true });
    return await use({ ...ports, work });
  } finally {
    process.umask(umask);
    await removeTree(work);
  }
}

/** Asks the registry first: a wrong address or password should not cost a whole build. */
export async function askRegistry(recipe: Recipe, ports: BuilderPorts, steps: Steps): Promise<void> {
  const reference = testingReference(recipe.build, recipe);
  await steps.run('registry', `asking for ${reference}`, () =>
    withRegistry(recipe.build, ports, (registry) => registry.digestOf(reference)),
  );
}

/** Makes the tree, tidied, and the list of its packages. */
export async function buildTree(recipe: Recipe, ports: BuilderPorts, steps: Steps): Promise<BuiltTree> {
  const { from, packages, files = [], run = [] } = recipe.build;
  const base = await steps.run('base', describeBase(from), () => makeBase(recipe, ports));
  const step = { root: base.root, recipe, ports };
  await steps.run('packages', describePackages(packages), () => changePackages(step));
  await steps.run('files', counted(files.length, 'file'), () => writeFiles(step));
  await steps.run('run', counted(run.length, 'command'), () => runCommands(step));
  await steps.run('tidy', 'caches, logs, what belongs to one machine', () => tidy(step));
  const list = await steps.run('package list', 'SPDX', () => listPackages(step));
  const mountScript = recipe.mountScript ?? base.mountScript;
  const defaults = recipe.defaults ? literalOnly(recipe.defaults) : base.defaults;
  return { root: base.root, mountScript, defaults, list };
}

/**
 * A tree without a mount script becomes an image that any container runtime can run. With one it becomes a bundle in a layer, as the
 * script must not be lost when another OSImage names this image.
 */
export async function packImage(
  recipe: Recipe,
  { root, mountScript, defaults }: BuiltTree,
  { work, signal }: BuilderPorts,
): Promise<{ image: Image; packed: Packed }> {
  const file = join(work, 'layer.tar.zst');
  const packed =
    mountScript === undefined
      ? await packTree(root, file, recipe.build.sourceDateEpoch, signal)
      : await packBundle(recipe, { mountScript, defaults }, work, file, signal);
  return { image: await makeImage(recipe, defaults, packed, work), packed };
}

/** Pushes the image, and the list of its packages beside it; gives the digest of the list. */
export async function pushImage(recipe: Recipe, image: Image, list: PackageList, ports: BuilderPorts): Promise<string> {
  const beside = await makePackageList(list.text, recipe, image.manifest, ports.work);
  const reference = testingReference(recipe.build, recipe);
  await withRegistry(recipe.build, ports, async (registry) => {
    await registry.push(image, reference);
    await registry.push(beside, packageListReference(reference, image.manifest.digest));
  });
  return beside.manifest.digest;
}

const counted = (count: number, what: string) =>
  count === 0 ? 'none asked for' : `${count} ${what}${count === 1 ? '' : 's'}`;

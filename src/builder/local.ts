import { copyFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from '../api/buildrun.ts';
import { testingReference } from '../api/images.ts';
import { askRegistry, buildTree, inWork, packImage, pushImage } from './build.ts';
import { packBundle } from './pack.ts';
import type { BuilderPorts } from './ports.ts';
import { createSteps } from './steps.ts';

export { proxiesOf } from '../image/download/connect.ts';

/** A build on the machine of who writes the recipe. */

export interface LocalBuild {
  /** Paths of what was written. */
  bundle: string;
  list: string;
  sha256: string;
  bytes: number;
  packages: number;
  /** What was pushed; undefined when nothing was to be. */
  pushed?: { reference: string; digest: string };
}

/**
 * Builds a bundle with what a Job builds with, and writes it to a directory, with its SHA-256 and the list of its packages beside. With
 * `push` it is pushed, too, as the same image that a Job pushes. Throws; what was there before is still there then.
 */
export async function buildLocally(
  recipe: Recipe,
  output: string,
  push: boolean,
  ports: BuilderPorts,
): Promise<LocalBuild> {
  const { os, version, build } = recipe;
  const steps = createSteps(push ? 10 : 7, ports.progress);
  const name = `${os}-${version}`;
  return inWork(ports, async (inner) => {
    const { work, signal } = inner;
    if (push) await askRegistry(recipe, inner, steps);
    const tree = await buildTree(recipe, inner, steps);
    const file = `${name}.tar.zst`;
    const packed = await steps.run('bundle', file, () => packBundle(recipe, tree, work, join(work, file), signal));
    const sha256 = packed.digest.replace('sha256:', '');
    await writeFile(join(work, `${file}.sha256`), `${sha256}  ${file}\n`);
    await writeFile(join(work, `${name}.spdx.json`), tree.list.text);

    let pushed: LocalBuild['pushed'];
    if (push) {
      const reference = testingReference(build, recipe);
      const { image } = await steps.run('pack', 'one layer', () => packImage(recipe, tree, inner));
      await steps.run('push', reference, () => pushImage(recipe, image, tree.list, inner));
      pushed = { reference, digest: image.manifest.digest };
    }
    const place = async (what: string) => {
      await moveFile(join(work, what), join(output, what));
      return join(output, what);
    };
    const list = await place(`${name}.spdx.json`);
    const bundle = await place(file);
    await place(`${file}.sha256`);
    const { packages } = tree.list;
    return { bundle, list, sha256, bytes: packed.bytes, packages, ...(pushed && { pushed }) };
  });
}

/** Also to another file system. */
async function moveFile(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async () => {
    await copyFile(from, `${to}.new`);
    await rename(`${to}.new`, to);
  });
}

/** Programs that a recipe takes, and the Debian packages that have them. */
export function programsOf({ build }: Recipe, push: boolean): { program: string; from: string }[] {
  const { from, packages, run = [] } = build;
  const changes = (packages?.install?.length ?? 0) + (packages?.remove?.length ?? 0) + run.length > 0;
  const debian: [program: string, from: string, needed: boolean][] = [
    ['mmdebstrap', 'mmdebstrap', from.debootstrap !== undefined],
    ['bsdtar', 'libarchive-tools', from.debootstrap === undefined],
    ['perl', 'perl-base', from.debootstrap === undefined],
    ['capsh', 'libcap2-bin', changes],
    ['tar', 'tar', true],
    ['zstd', 'zstd', true],
    ['crane', '', push],
    ['syft', '', true],
  ];
  return debian.filter(([, , needed]) => needed).map(([program, name]) => ({ program, from: name }));
}

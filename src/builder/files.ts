import { chmod, chown, lstat, rename, rm, writeFile } from 'node:fs/promises';
import type { Build } from '../api/build.ts';
import { errorCode } from '../system/errors.ts';
import { BuildError } from './failure.ts';
import { placeInside, readInside } from '../system/rooted-path.ts';
import type { TreeStep } from './ports.ts';

type RecipeFile = NonNullable<Build['files']>[number];

/** Writes the files of the recipe. A link at a path is replaced; links on the way to it are followed inside of the tree. */
export async function writeFiles({ root, recipe, ports }: TreeStep): Promise<void> {
  for (const file of recipe.build.files ?? []) {
    await writeOne(root, file).catch((error: unknown) => {
      if (error instanceof BuildError || ['ENOSPC', 'EDQUOT'].includes(errorCode(error))) throw error;
      const why = error instanceof Error ? error.message : String(error);
      const message = `${file.path} cannot be written: ${why.replaceAll(root, '')}; correct source.build.files`;
      throw new BuildError('FilesFailed', message, { cause: error });
    });
    ports.progress.line(`wrote ${file.path}`);
  }
}

async function writeOne(root: string, { path, content, mode, owner }: RecipeFile): Promise<void> {
  const [uid, gid] = await readOwner(root, owner);
  const place = await placeInside(root, path);
  const stat = await lstat(place).catch(() => undefined);
  if (stat?.isDirectory()) throw new Error('it is a directory');
  // Beside it and renamed: another name of the same file keeps what it has.
  const beside = `${place}.monoroot-new`;
  await rm(beside, { recursive: true, force: true });
  await writeFile(beside, content, { flag: 'wx', mode: 0o600 });
  await chown(beside, uid, gid);
  await chmod(beside, parseInt(mode, 8));
  await rename(beside, place);
}

/** Names are those of the tree. */
async function readOwner(root: string, owner: string): Promise<[uid: number, gid: number]> {
  const [user = '', group = ''] = owner.split(':');
  return [await readId(root, '/etc/passwd', user), await readId(root, '/etc/group', group)];
}

async function readId(root: string, file: string, name: string): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name);
  // In a tree without users root is who it always is.
  const lines = ((await readInside(root, file)) ?? 'root:x:0:').split('\n');
  const id = lines.map((line) => line.split(':')).find(([it]) => it === name)?.[2];
  if (id !== undefined && /^\d+$/.test(id)) return Number(id);
  throw new Error(`${file} of the image has no ${name}`);
}

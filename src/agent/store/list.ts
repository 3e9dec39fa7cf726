import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { osName, osVersion } from '../../api/meta.ts';
import { errorCode } from '../../system/errors.ts';
import { readImageFile } from './image-file.ts';
import type { ImageFile } from './image-file.ts';
import type { ImageName } from '../../api/images.ts';
import type { StorePaths } from './paths.ts';

/** What is in the store. */
export interface StoreContent {
  images: ImageFile[];
  /** Entries that no agent publishes, such as one whose `image.json` cannot be read: somebody else touched the store. */
  broken: (ImageName & { problem: string })[];
}

/** Reads the store from the disk. Names that no image can have are left alone. */
export async function listStore(paths: StorePaths): Promise<StoreContent> {
  const content: StoreContent = { images: [], broken: [] };
  for (const os of await directories(paths.store, osName)) {
    for (const version of await directories(join(paths.store, os), osVersion)) {
      try {
        const image = await readImageFile(join(paths.store, os, version));
        if (image.os !== os || image.version !== version) throw new Error(`it is ${image.os}:${image.version}`);
        content.images.push(image);
      } catch (error) {
        const problem = `Its image.json is not valid: ${error instanceof Error ? error.message : String(error)}`;
        content.broken.push({ os, version, problem });
      }
    }
  }
  return content;
}

async function directories(path: string, names: typeof osName): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((it) => it.isDirectory() && names.safeParse(it.name).success).map(({ name }) => name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

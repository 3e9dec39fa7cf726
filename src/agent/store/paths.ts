import { join } from 'node:path';
import { osName, osVersion } from '../../api/meta.ts';
import type { ImageName } from '../../api/images.ts';

/** The directories of an agent, all on one file system so that a rename moves between them in one step. */
export interface StorePaths {
  readonly root: string;
  /** Whole, verified images and nothing else: `<os>/<version>/`. */
  readonly store: string;
  /** Images that are being made; emptied when the agent starts. */
  readonly staging: string;
  /** Images that are being deleted; emptied when the agent starts. */
  readonly trash: string;
}

export function storePaths(root: string): StorePaths {
  return { root, store: join(root, 'store'), staging: join(root, 'staging'), trash: join(root, 'trash') };
}

/** Where an image is stored. Throws on names that could lead anywhere else. */
export function entryPath(paths: StorePaths, { os, version }: ImageName): string {
  return join(paths.store, osName.parse(os), osVersion.parse(version));
}

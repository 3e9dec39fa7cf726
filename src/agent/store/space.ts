import { statfs } from 'node:fs/promises';

/** Bytes of a file system. */
export interface Space {
  totalBytes: number;
  freeBytes: number;
}

/** Free space is what is left for those who may not use the reserve of the superuser. */
export async function readSpace(path: string): Promise<Space> {
  const { bsize, blocks, bavail } = await statfs(path);
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
}

import { statfs } from 'node:fs/promises';

/** Bytes and inodes of a file system. */
export interface Space {
  totalBytes: number;
  freeBytes: number;
  /** 0 where the file system does not count inodes. */
  totalInodes: number;
  freeInodes: number;
}

/** What always stays free: so many bytes, or a percentage of the file system of which at least 256 MiB. */
export type MinFree = { bytes: number } | { percent: number };

const leastBytes = 256 * 1024 * 1024;
/** As the kubelet, which evicts Pods when fewer inodes are left. */
const freeInodesPercent = 5;

/** Free space is what is left for those who may not use the reserve of the superuser. */
export async function readSpace(path: string): Promise<Space> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail, totalInodes: files, freeInodes: ffree };
}

/** What must stay free of this file system. */
export function minFreeOf({ totalBytes, totalInodes }: Space, minFree: MinFree): { bytes: number; inodes: number } {
  const percentOf = (total: number, percent: number) => Math.floor((total * percent) / 100);
  const bytes = 'bytes' in minFree ? minFree.bytes : Math.max(leastBytes, percentOf(totalBytes, minFree.percent));
  return { bytes, inodes: percentOf(totalInodes, freeInodesPercent) };
}

/** Whether less is free than must stay free. */
export function isShort(space: Space, minFree: MinFree): boolean {
  const must = minFreeOf(space, minFree);
  return space.freeBytes < must.bytes || space.freeInodes < must.inodes;
}

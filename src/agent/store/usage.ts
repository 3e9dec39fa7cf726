import { withScratch } from './scratch.ts';
import { Sorter } from './sorter.ts';
import type { Ensure } from './sorter.ts';
import type { StorePaths } from './paths.ts';
import { walk } from '../../system/walk.ts';

/**
 * Bytes that all images take on disk; what several share counts once. Looks at every file, at low priority, in little memory however many
 * there are; `ensure` is asked before a list on the disk grows.
 */
export async function readUsedBytes(paths: StorePaths, signal: AbortSignal, ensure?: Ensure): Promise<number> {
  return withScratch(paths, async (scratch) => {
    let bytes = 0;
    const shared = new Sorter({ scratch, signal, ensure, idle: true });
    try {
      for await (const batch of walk(paths.store, { signal, idle: true })) {
        for (const { type, links, inode, diskBytes } of batch) {
          if (links > 1 && type !== 'dir') shared.add(`${inode} ${diskBytes}`);
          else bytes += diskBytes;
        }
        await shared.settle();
      }
      let last = '';
      for await (const line of shared.sorted()) {
        const [inode = '', diskBytes] = line.split(' ');
        if (inode !== last) bytes += Number(diskBytes);
        last = inode;
      }
      return bytes;
    } finally {
      await shared.close();
    }
  });
}

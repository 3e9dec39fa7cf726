import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pods } from '../../src/kube/resources.ts';
import type { Client } from '../../src/kube/client.ts';
import { namespace } from './cluster.ts';
import { inNode } from './node.ts';

/** The Pods of the bench that are measured begin with it. */
export const podPrefix = 'share-';

/** What the Pods of the bench on a node take, in bytes. */
export interface Footprint {
  /** All that containerd, the kubelet, the master store and the logs of Pods have on the node's disk. */
  disk: number;
  /** Pages in the page cache of the files that containers see, each file once, however many containers see it. */
  pageCache: number;
  /** The processes' shares of the pages of files that they have mapped (Pss). */
  mapped: number;
  /** Memory that no one else has: anonymous, and what is in memory overlays (tmpfs). */
  own: number;
}

/** Bytes on the node's disk. A file with several names counts once; what is mounted into the directories does not count. */
export async function diskBytes(node: string): Promise<number> {
  const script = 'du --summarize --total --one-file-system --block-size=1 "$@" 2>/dev/null | tail --lines=1';
  const directories = ['/var/lib/containerd', '/var/lib/kubelet', '/var/lib/monoroot', '/var/log/pods'];
  // Files come and go while it counts.
  return Number.parseInt(await inNode(node, `(${script}) || true`, ...directories));
}

/** What the Pods of the bench take now. Each of their containers reads all of its /usr before, so that nothing is left uncached. */
export async function footprint(client: Client, node: string): Promise<Footprint> {
  const uids = (await client.list(pods, { namespace }))
    .filter(({ metadata }) => metadata.name.startsWith(podPrefix))
    .map(({ metadata }) => metadata.uid ?? '');
  const disk = await diskBytes(node);
  const [pageCache = NaN, mapped = NaN, own = NaN] = (await inNode(node, await readFile(join(import.meta.dirname, 'footprint.sh'), 'utf8'), ...uids)).trim().split(/\s+/).map(Number); // prettier-ignore
  return { disk, pageCache, mapped, own };
}

/** Takes the files of the store's bench images and of all unpacked layers out of the page cache, but for those that are mapped. */
export async function evict(node: string): Promise<void> {
  await inNode(
    node,
    `sync -f /var/lib/kubelet
     find /var/lib/monoroot/store/bench /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots -xdev -type f -links -1000 \\
       -size +0 -print0 2>/dev/null |
       xargs -0 --no-run-if-empty -P 2 -n 200 sh -c 'for f; do dd if="$f" iflag=nocache count=0 status=none; done' sh || true`,
  );
}

import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { imageLabelPrefix } from '../../api/names.ts';
import type { NodeStore, WantedImage } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageLabel, imageName, parseReference } from '../../pod/image.ts';
import { parseQuantity } from '../../pod/quantity.ts';
import type { Node } from '../../pod/types.ts';
import { digestOf } from '../catalog.ts';
import { nodeState, selectedNodes } from '../storage.ts';

/** The whole set at once, because "at most so many nodes at a time" is a rule over the set. */
export interface Fleet {
  nodes: readonly Node[];
  stores: ReadonlyMap<string, NodeStore>;
  images: readonly OSImage[];
  distributions: readonly ImageDistribution[];
  containers: readonly HostedContainer[];
}

export interface NodePlan {
  node: Node;
  /** What the store shall hold; the same as now when nothing changes. */
  images: WantedImage[];
  /** The image labels that the node shall have, all of them. */
  labels: Record<string, string>;
}

const keyOf = (image: { os: string; version: string }) => imageName(image);

/** For every node what it shall store and what it may say of itself. */
export function planFleet(fleet: Fleet): NodePlan[] {
  const images = new Map(fleet.images.map((image) => [keyOf(image.spec), image]));
  const granted = grantSlots(fleet, images);
  const pins = pinsByNode(fleet);
  return fleet.nodes.map((node) => {
    const name = node.metadata.name;
    const store = fleet.stores.get(name);
    const wanted = new Map<string, WantedImage>();
    for (const key of [...(granted.get(name) ?? []), ...(pins.get(name) ?? [])]) {
      const entry = wantedEntry(images.get(key), key, store, fleet.distributions);
      if (entry) wanted.set(key, entry);
    }
    const list = [...wanted.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    return { node, images: list, labels: imageLabels(list, store) };
  });
}

/** By node the images that distributions put there, with no more nodes fetching one at a time than its parallelism says. */
function grantSlots(fleet: Fleet, images: ReadonlyMap<string, OSImage>): Map<string, Set<string>> {
  const granted = new Map<string, Set<string>>();
  const grant = (node: Node, key: string) => {
    const keys = granted.get(node.metadata.name) ?? new Set();
    granted.set(node.metadata.name, keys.add(key));
  };
  for (const distribution of fleet.distributions) {
    const image = images.get(distribution.spec.image);
    if (!image || distribution.metadata.deletionTimestamp !== undefined) continue;
    const selected = selectedNodes(distribution, image, fleet.nodes).sort((a, b) =>
      a.metadata.name < b.metadata.name ? -1 : 1,
    );
    const states = selected.map((node) => ({ node, state: nodeState(fleet.stores.get(node.metadata.name), image) }));
    let free =
      slots(distribution.spec.parallelism, selected.length) - states.filter((s) => s.state === 'Fetching').length;
    for (const { node, state } of states) {
      if (state === 'Waiting' && free-- <= 0) continue;
      grant(node, distribution.spec.image);
    }
  }
  return granted;
}

/** Nodes at once: a number, or a percentage of all, of which at least one unless it is 0. */
export function slots(parallelism: number | string, total: number): number {
  if (typeof parallelism === 'number') return parallelism;
  const percent = Number(parallelism.replace('%', ''));
  return percent === 0 ? 0 : Math.max(1, Math.floor((total * percent) / 100));
}

/** The warm way back: what a container runs and what it would go back to stay on its node, whatever is distributed. */
function pinsByNode({ containers, stores }: Fleet): Map<string, Set<string>> {
  const pins = new Map<string, Set<string>>();
  for (const { spec, status } of containers) {
    if (status?.nodeName === undefined) continue;
    const keys = pins.get(status.nodeName) ?? new Set();
    for (const image of [status.image, status.lastKnownGoodImage]) if (image !== undefined) keys.add(image);
    // Software is kept where it is. It is not fetched for being asked for: who may create containers must not fill nodes.
    const told = new Set(stores.get(status.nodeName)?.spec.images.map(keyOf));
    for (const { osImage } of spec.software ?? []) if (osImage !== undefined && told.has(osImage)) keys.add(osImage);
    pins.set(status.nodeName, keys);
  }
  return pins;
}

/** How the store is told to hold an image. One whose OSImage is gone is told as before, as long as something pins it. */
function wantedEntry(
  image: OSImage | undefined,
  key: string,
  store: NodeStore | undefined,
  distributions: readonly ImageDistribution[],
): WantedImage | undefined {
  if (!image) return store?.spec.images.find((i) => keyOf(i) === key);
  const { source } = image.spec;
  const { os, version } = parseReference(key);
  const unlimited: ImageDistribution['spec']['download'] = { timeoutSeconds: 900, backoffLimit: 5 };
  const download = distributions.find((d) => d.spec.image === key)?.spec.download ?? unlimited;
  return {
    os,
    version: version ?? '',
    digest: digestOf(image),
    source,
    ...(image.spec.mountScript && { mountScript: image.spec.mountScript }),
    timeoutSeconds: download.timeoutSeconds,
    backoffLimit: download.backoffLimit,
    ...bytesPerSecond(download),
  };
}

function bytesPerSecond(download: ImageDistribution['spec']['download']): Pick<WantedImage, 'bytesPerSecond'> {
  const bytes = download.bytesPerSecond === undefined ? undefined : parseQuantity(download.bytesPerSecond);
  return bytes === undefined ? {} : { bytesPerSecond: Math.floor(bytes) };
}

/** Only what is wanted and wholly there is advertised; so an image loses its label before the agent may remove it. */
function imageLabels(wanted: readonly WantedImage[], store: NodeStore | undefined): Record<string, string> {
  const stored = store?.status?.images ?? [];
  const there = wanted.filter((w) =>
    stored.some((s) => keyOf(s) === keyOf(w) && s.digest === w.digest && s.state === 'Ready'),
  );
  return Object.fromEntries(there.map((w) => [imageLabel(w).key, imageLabel(w).value]));
}

/** The image labels that the node has now. */
export const currentImageLabels = (node: Node): Record<string, string> =>
  Object.fromEntries(Object.entries(node.metadata.labels ?? {}).filter(([key]) => key.startsWith(imageLabelPrefix)));

import { imageName } from '../../../api/images.ts';
import type { NodeStore, StoredImage } from '../../../api/nodestore.ts';
import { findCondition } from '../../../runtime/conditions.ts';
import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import type { NodeRow, Stored } from '../views.ts';
import { byName, shown } from './shown.ts';

/** All nodes with what their stores hold and should hold. */
export function nodesModel({ nodeStores, containers }: Scene): Model {
  const running = new Map<string, number>();
  for (const { status } of containers)
    if (status?.nodeName !== undefined && status.replicas !== 0)
      running.set(status.nodeName, (running.get(status.nodeName) ?? 0) + 1);
  return Object.fromEntries(
    nodeStores
      .toSorted((a, b) => byName(a.metadata.name, b.metadata.name))
      .map((store) => [`n/${store.metadata.name}`, nodeRow(store, running.get(store.metadata.name) ?? 0)]),
  );
}

function nodeRow(store: NodeStore, running: number): NodeRow {
  const { metadata, spec, status } = store;
  const ready = findCondition(status?.conditions, 'Ready');
  const stored = (status?.images ?? []).filter(({ state }) => state === 'Ready');
  const wanted = new Set(spec.images.filter(({ retained }) => retained !== true).map(imageName));
  const held = stored.filter((it) => wanted.has(imageName(it)));
  return {
    name: metadata.name,
    ready: ready?.status === 'True',
    reason: ready?.reason ?? 'Silent',
    message: shown(ready?.message ?? 'Its agent has reported nothing yet'),
    held: held.length,
    kept: stored.length - held.length,
    desired: wanted.size,
    ...diskOf(store),
    running,
    images: storedOf(store),
  };
}

function diskOf({ status }: NodeStore): Pick<NodeRow, 'used' | 'free' | 'capacity'> {
  if (!status?.store) return {};
  const { usedBytes: used, freeBytes: free, capacityBytes: capacity } = status.store;
  return { used, free, ...(capacity !== undefined && { capacity }) };
}

/** What is stored, or on its way, and what is wanted and not there. */
function storedOf({ spec, status }: NodeStore): Stored[] {
  const wanted = new Map(spec.images.map((it) => [imageName(it), it]));
  const there = (status?.images ?? []).map((it): Stored => entryOf(it, wanted.get(imageName(it))?.retained === true));
  const names = new Set(there.map(({ image }) => image));
  const missing = [...wanted]
    .filter(([name, { retained }]) => !names.has(name) && retained !== true)
    .map(([image]): Stored => ({ image, state: 'Wanted', retained: false }));
  return [...there, ...missing].sort((a, b) => byName(a.image, b.image));
}

function entryOf(entry: StoredImage, retained: boolean): Stored {
  const { state, reason, message, downloadedBytes, totalBytes, retryTime } = entry;
  const percent =
    state === 'Fetching' && downloadedBytes !== undefined && totalBytes
      ? Math.min(100, Math.floor((100 * downloadedBytes) / totalBytes))
      : undefined;
  return {
    image: imageName(entry),
    state,
    retained,
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message: shown(message) }),
    ...(percent !== undefined && { percent }),
    ...(retryTime !== undefined && { retryTime }),
  };
}

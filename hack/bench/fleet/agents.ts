import type { Logger } from 'pino';
import { fieldManagers } from '../../../src/api/names.ts';
import type { NodeStore, StoredImage } from '../../../src/api/nodestore.ts';
import type { Client } from '../../../src/kube/client.ts';
import { nodeStores } from '../../../src/kube/kinds.ts';
import { createController, watch } from '../../../src/runtime/controller.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { sameStatus } from '../../../src/runtime/status.ts';

/** Plays the agents of all nodes: what a node is asked to store is being fetched for a while, and then it is there. */
export async function runAgents(
  client: Client,
  fetchSeconds: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const reflector = new Reflector({ name: 'nodestores', source: client.listWatcher(nodeStores), logger });
  const began = new Map<string, number>();
  const agents = createController({
    name: 'agents',
    sources: [watch(reflector)],
    workers: 8,
    logger,
    reconcile: async ({ name }) => {
      const store = reflector.store.get(name);
      if (!store) return {};
      const status = statusOf(store, fetchSeconds * 1000, began);
      if (!sameStatus(store.status, status))
        await client.applyStatus(nodeStores, { metadata: { name }, status }, { fieldManager: fieldManagers.agent });
      const isFetching = status.images.some(({ state }) => state === 'Fetching');
      return isFetching ? { requeueAfterSeconds: fetchSeconds } : {};
    },
  });
  await Promise.all([reflector.run(signal), agents.run(signal)]);
}

/** As an agent tells of the images that its node should have. `began` keeps when each fetch was first seen. */
function statusOf(store: NodeStore, milliseconds: number, began: Map<string, number>) {
  const layout = { kind: 'merged' as const, directories: ['etc', 'home', 'opt', 'root', 'usr', 'var'] };
  const images = store.spec.images.map(({ os, version, digest }): StoredImage => {
    const key = `${store.metadata.name} ${os}:${version} ${digest}`;
    if (!began.has(key)) began.set(key, performance.now());
    const isThere = performance.now() - (began.get(key) ?? 0) >= milliseconds - 5;
    const there = { state: 'Ready' as const, layout, hasMountScript: false, unpackedBytes: 152_000_000 };
    return { os, version, digest, ...(isThere ? there : { state: 'Fetching' as const }) };
  });
  const ready = images.filter(({ state }) => state === 'Ready').length;
  return {
    observedGeneration: store.metadata.generation,
    images,
    counts: { desired: images.length, ready, failed: 0 },
  };
}

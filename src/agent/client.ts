import { fieldManagers } from '../api/names.ts';
import type { NodeStore, NodeStoreStatus } from '../api/nodestore.ts';
import type { Client } from '../kube/client.ts';
import { nodeStores } from '../kube/kinds.ts';
import { pods } from '../kube/resources.ts';
import { secretReader } from '../kube/secrets.ts';
import type { Applied } from '../kube/types.ts';
import { FetchError } from '../image/failure.ts';
import type { StoreUser } from './removal/users.ts';

/** What an agent asks of the API server besides watching its own NodeStore. Every answer is live, none from a cache. */
export interface AgentClient {
  /** Gives the revision that it is then; a Conflict when the NodeStore is not in this one any more, or is another one. */
  writeStatus: (
    status: NodeStoreStatus,
    revision: string | undefined,
    signal: AbortSignal,
  ) => Promise<string | undefined>;
  listPods: () => Promise<readonly StoreUser[]>;
  /** The values of a Secret of image sources. Rejects with SecretMissing when there is none of this name. */
  readSecret: (name: string) => Promise<Record<string, string>>;
}

/** Calls of the agent of a node, whose Secrets are in `sourcesNamespace`. */
export function createAgentClient(client: Client, nodeName: string, sourcesNamespace: string): AgentClient {
  const readSecret = secretReader(client, sourcesNamespace);
  return {
    writeStatus: async (status, resourceVersion, signal) => {
      // The API server looks at no uid here, but no other object ever has the same revision.
      const applied = { metadata: { name: nodeName, resourceVersion }, status } as unknown as Applied<NodeStore>;
      const written = await client.applyStatus(nodeStores, applied, { fieldManager: fieldManagers.agent, signal });
      return written.metadata.resourceVersion;
    },
    listPods: () => client.list(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    readSecret: async (name) => {
      const secret = await readSecret(name);
      if (secret) return secret.values;
      const message = `There is no Secret ${name} in the namespace ${sourcesNamespace}; create it there: agents read Secrets of image sources in no other namespace`;
      throw new FetchError('SecretMissing', message);
    },
  };
}

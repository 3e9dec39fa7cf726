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
  writeStatus: (status: NodeStoreStatus, signal: AbortSignal) => Promise<unknown>;
  listPods: () => Promise<readonly StoreUser[]>;
  /** The values of a Secret of image sources. Rejects with SecretMissing when there is none of this name. */
  readSecret: (name: string) => Promise<Record<string, string>>;
}

/** Calls of the agent of a node, whose Secrets are in `sourcesNamespace`. */
export function createAgentClient(client: Client, nodeName: string, sourcesNamespace: string): AgentClient {
  const readSecret = secretReader(client, sourcesNamespace);
  return {
    writeStatus: (status, signal) => {
      const applied = { metadata: { name: nodeName }, status } as unknown as Applied<NodeStore>;
      return client.applyStatus(nodeStores, applied, { fieldManager: fieldManagers.agent, signal });
    },
    listPods: () => client.list(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    readSecret: async (name) => {
      const secret = await readSecret(name);
      if (secret) return secret.values;
      const message = `There is no Secret ${name} in the namespace ${sourcesNamespace}; create it there: agents read Secrets of image sources nowhere else, and no longer in the namespace of the operator`;
      throw new FetchError('SecretMissing', message);
    },
  };
}

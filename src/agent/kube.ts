import { fieldManagers, systemNamespace } from '../api/names.ts';
import type { NodeStore, NodeStoreStatus } from '../api/nodestore.ts';
import type { Client } from '../kube/client.ts';
import { nodeStores } from '../kube/kinds.ts';
import { pods } from '../kube/resources.ts';
import { secretReader } from '../kube/secrets.ts';
import type { Applied } from '../kube/types.ts';
import type { StoreUser } from './pods.ts';

/** What an agent asks of the API server besides watching its own NodeStore. Every answer is live, none from a cache. */
export interface AgentClient {
  writeStatus: (status: NodeStoreStatus, signal: AbortSignal) => Promise<unknown>;
  listPods: () => Promise<readonly StoreUser[]>;
  readSecret: (name: string) => Promise<Record<string, string> | undefined>;
}

export function createAgentClient(client: Client, nodeName: string): AgentClient {
  return {
    writeStatus: (status, signal) => {
      const applied = { metadata: { name: nodeName }, status } as unknown as Applied<NodeStore>;
      return client.applyStatus(nodeStores, applied, { fieldManager: fieldManagers.agent, signal });
    },
    listPods: () => client.list(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    readSecret: secretReader(client, systemNamespace),
  };
}

import { createClient } from '../kube/client.ts';
import type { Client } from '../kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../kube/connection.ts';

/** Which cluster is meant, as kubectl's own options name it. */
export interface Target {
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/** The cluster that commands talk to. */
export interface Cluster {
  client: Client;
  /** Options for a kubectl that should talk to the same cluster. */
  kubectlOptions: readonly string[];
  close: () => Promise<void>;
}

/** Throws when the kubeconfig names no cluster; nothing is sent yet. */
export function openCluster({ kubeconfig, context }: Target, version: string): Cluster {
  const connection = createConnection({
    config: loadKubeConfig({ path: kubeconfig, context }),
    userAgent: userAgent(version, 'kubectl-monoroot'),
  });
  return {
    client: createClient(connection),
    kubectlOptions: [
      ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
      ...(context === undefined ? [] : [`--context=${context}`]),
    ],
    close: () => connection.close(),
  };
}

import { createClient } from '../kube/client.ts';
import type { Client } from '../kube/client.ts';
import { createConnection, loadKubeConfig, namespaceOf, userAgent } from '../kube/connection.ts';
import type { Connection } from '../kube/connection.ts';

/** Which cluster is meant and as whom, as kubectl's own options name it. */
export interface Target {
  kubeconfig?: string | undefined;
  context?: string | undefined;
  cluster?: string | undefined;
  user?: string | undefined;
  as?: string | undefined;
  namespace?: string | undefined;
  requestSeconds?: number | undefined;
}

/** The cluster that commands talk to. */
export interface Cluster {
  client: Client;
  /** For what the client does not know: the version of the server, logs that go on. */
  connection: Connection;
  /** That of --namespace, else of the context, else `default`. */
  namespace: string;
  /** The address of its API server. */
  server: string;
  /** Options for a kubectl that should talk to the same cluster. */
  kubectlOptions: readonly string[];
  close: () => Promise<void>;
}

/** Throws when the kubeconfig names no cluster; nothing is sent yet. */
export function openCluster(target: Target, version: string): Cluster {
  const { kubeconfig, as, requestSeconds, ...chosen } = target;
  const config = load({ path: kubeconfig, impersonate: as, ...chosen });
  const connection = createConnection({
    config,
    userAgent: userAgent(version, 'kubectl-monoroot'),
    timeoutSeconds: requestSeconds,
  });
  const options = { kubeconfig, context: target.context, cluster: target.cluster, user: target.user, as };
  return {
    client: createClient(connection),
    connection,
    namespace: target.namespace ?? namespaceOf(config) ?? 'default',
    server: config.getCurrentCluster()?.server ?? '',
    kubectlOptions: Object.entries(options).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}=${value}`],
    ),
    close: () => connection.close(),
  };
}

/** What the client library takes when it finds no kubeconfig at all. */
const guessedServer = 'http://localhost:8080';

function load(source: Parameters<typeof loadKubeConfig>[0]): ReturnType<typeof loadKubeConfig> {
  const config = loadKubeConfig(source);
  if (config.getCurrentCluster()?.server !== guessedServer) return config;
  throw new Error('There is no kubeconfig: name one with --kubeconfig or $KUBECONFIG, or put it into ~/.kube/config');
}

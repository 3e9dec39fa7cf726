import { KubeConfig } from '@kubernetes/client-node';

/** Which server is called as whom. */
export interface ConfigSource {
  /** A kubeconfig file; without it $KUBECONFIG, ~/.kube/config, or the service account of this Pod, whichever exists first. */
  path?: string | undefined;
  context?: string | undefined;
  /** Cluster and user of the kubeconfig instead of those of the context. */
  cluster?: string | undefined;
  user?: string | undefined;
  /** User to act as. */
  impersonate?: string | undefined;
}

/** Throws when the file cannot be read or has no such context. */
export function loadKubeConfig(source: ConfigSource = {}): KubeConfig {
  const config = new KubeConfig();
  if (source.path === undefined) config.loadFromDefault();
  else config.loadFromFile(source.path);
  if (source.context !== undefined) config.setCurrentContext(source.context);
  choose(config, source);
  if (!config.getCurrentCluster()) {
    throw new Error(
      `The kubeconfig has no context '${config.getCurrentContext()}' with a cluster; choose one that has`,
    );
  }
  return config;
}

/** The namespace of the context; undefined when it names none. */
export const namespaceOf = (config: KubeConfig): string | undefined =>
  config.getContextObject(config.getCurrentContext())?.namespace;

/** Replaces the context by one with the cluster and the user that were asked for. */
function choose(config: KubeConfig, { cluster, user, impersonate }: ConfigSource): void {
  if (cluster === undefined && user === undefined && impersonate === undefined) return;
  const context = config.getContextObject(config.getCurrentContext());
  const name = user ?? context?.user ?? '';
  const found = config.getUsers().find((it) => it.name === name);
  if (user !== undefined && !found) throw new Error(`The kubeconfig has no user '${user}'`);
  const chosen = cluster ?? context?.cluster ?? '';
  if (!config.getCluster(chosen)) throw new Error(`The kubeconfig has no cluster '${chosen}'`);
  const acting = 'monoroot-acting';
  const who = {
    ...(found ?? { name }),
    name: acting,
    ...(impersonate !== undefined && { impersonateUser: impersonate }),
  };
  config.loadFromOptions({
    clusters: config.getClusters(),
    users: [...config.getUsers(), who],
    contexts: [{ ...context, name: acting, cluster: chosen, user: acting }],
    currentContext: acting,
  });
}

/** `monoroot/<version> (<component>)`: what audit logs and flow control see. */
export const userAgent = (version: string, component: string) => `monoroot/${version} (${component})`;

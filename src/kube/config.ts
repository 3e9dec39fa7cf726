import { KubeConfig } from '@kubernetes/client-node';

/** Which server is called as whom. */
export interface ConfigSource {
  /** A kubeconfig file; without it $KUBECONFIG, ~/.kube/config, or the service account of this Pod, whichever exists first. */
  path?: string | undefined;
  context?: string | undefined;
}

/** Throws when the file cannot be read or has no such context. */
export function loadKubeConfig(source: ConfigSource = {}): KubeConfig {
  const config = new KubeConfig();
  if (source.path === undefined) config.loadFromDefault();
  else config.loadFromFile(source.path);
  if (source.context !== undefined) config.setCurrentContext(source.context);
  if (!config.getCurrentCluster()) {
    throw new Error(
      `The kubeconfig has no context '${config.getCurrentContext()}' with a cluster; choose one that has`,
    );
  }
  return config;
}

/** `monoroot/<version> (<component>)`: what audit logs and flow control see. */
export const userAgent = (version: string, component: string) => `monoroot/${version} (${component})`;

import type { Pod } from '../api/kubernetes/objects.ts';
import { systemNamespace } from '../api/names.ts';
import type { Client } from '../kube/client.ts';
import { defineResource, pods } from '../kube/resources.ts';
import { ApiError } from '../runtime/errors.ts';

type Component = 'operator' | 'agent';

const labelsOf = (component: Component): string =>
  `app.kubernetes.io/name=monoroot,app.kubernetes.io/component=${component}`;

const deployments = defineResource({
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
});

/** The namespace that Monoroot is installed in: where the Deployment of its operator is; the usual one when that cannot be seen. */
export async function findSystemNamespace(client: Client): Promise<string> {
  const found = await client.list(deployments, { labelSelector: labelsOf('operator') }).catch((error: unknown) => {
    if (error instanceof ApiError && error.code === 403) return [];
    throw error;
  });
  const namespaces = found.flatMap(({ metadata }) => metadata.namespace ?? []);
  return namespaces.includes(systemNamespace) ? systemNamespace : (namespaces.sort()[0] ?? systemNamespace);
}

/** The Pods of a part of Monoroot, also those that are not Ready; of one node, where a field selector says so. */
export const podsOf = (
  client: Client,
  namespace: string,
  component: Component,
  fieldSelector?: string,
): Promise<Pod[]> =>
  client.list(pods, { namespace, labelSelector: labelsOf(component), ...(fieldSelector && { fieldSelector }) });

/** Those of them that answer. */
export async function readyPods(client: Client, namespace: string, component: Component): Promise<Pod[]> {
  const found = await podsOf(client, namespace, component);
  return found.filter(({ metadata, status }) => {
    const isReady = status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') === true;
    return isReady && metadata.deletionTimestamp === undefined;
  });
}

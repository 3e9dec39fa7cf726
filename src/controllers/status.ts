import { fieldManagers } from '../api/names.ts';
import type { KindObject } from '../api/meta.ts';
import type { Client } from '../kube/client.ts';
import type { Resource } from '../kube/resources.ts';
import type { Applied } from '../kube/types.ts';

/**
 * Writes the whole status that the operator owns. A Conflict when the object has changed since it was read: the status was
 * computed from something that is no more. Gives the object as it is then.
 */
export async function writeStatus<T extends KindObject<unknown, unknown>>(
  client: Client,
  resource: Resource<T>,
  object: Pick<T, 'metadata'>,
  status: T['status'],
  signal: AbortSignal,
): Promise<T> {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const metadata = { name, namespace, uid, resourceVersion };
  return client.applyStatus(resource, { metadata, status } as unknown as Applied<T>, {
    fieldManager: fieldManagers.operator,
    signal,
  });
}

import type { Logger } from 'pino';
import { fieldManagers, finalizers } from '../../api/names.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/objects.ts';
import { persistentVolumeClaims } from '../../kube/resources.ts';

interface Run {
  client: Client;
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Has the container wait, when it is deleted, until the operator has seen to its data, or no longer; returns it in its newest
 * revision. A Conflict when it is not as it was when that was decided: then a person may have said something else.
 */
export async function holdForData(container: HostedContainer, hold: boolean, { client, signal }: Run) {
  const { name, namespace, uid, resourceVersion } = container.metadata;
  const metadata = { name, namespace, uid, resourceVersion, ...(hold && { finalizers: [finalizers.data] }) };
  return client.apply(hostedContainers, { metadata }, { fieldManager: fieldManagers.data, signal });
}

/** Takes the container out of the owners of its claim, and leaves others in. */
export async function disownClaim(
  claim: PersistentVolumeClaim,
  container: HostedContainer,
  { client, logger, signal }: Run,
) {
  const { name, namespace = '', uid, resourceVersion } = claim.metadata;
  const ownerReferences = claim.metadata.ownerReferences?.filter((it) => it.uid !== container.metadata.uid) ?? [];
  const metadata = { name, namespace, uid, resourceVersion, ownerReferences };
  await client.mergePatch(
    persistentVolumeClaims,
    { name, namespace },
    { metadata },
    { fieldManager: fieldManagers.operator, signal },
  );
  logger.info({ claim: name }, 'Gave up PersistentVolumeClaim');
}

/** Deletes this claim, unless the container has changed since that was decided. */
export async function deleteClaim(
  claim: PersistentVolumeClaim,
  container: HostedContainer,
  run: Run,
): Promise<HostedContainer> {
  // Changes nothing, and is refused when somebody else has changed anything, such as whenDeleted.
  const current = await holdForData(container, true, run);
  const { name, namespace = '', uid } = claim.metadata;
  await run.client.delete(persistentVolumeClaims, { name, namespace }, { uid, signal: run.signal });
  run.logger.info({ claim: name }, 'Deleted PersistentVolumeClaim');
  return current;
}

import type { Logger } from 'pino';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { annotations, fieldManagers } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import { isAlreadyExists, isConflict, isNotFound, isRefusal } from '../../runtime/errors.ts';
import type { ActionFailure, OnFailure } from '../../runtime/plan.ts';
import { persistentVolumeClaims, pods } from '../../kube/resources.ts';
import { patchOperations } from '../../pod/in-place.ts';
import { deleteClaim, disownClaim, holdForData } from './act-on-data.ts';
import type { Action, Observed } from './observed.ts';

/** Without these the Pod is brought back all the same: that they are refused, or fail, stops nothing else. */
const sideWrites: ReadonlySet<Action['type']> = new Set(['RevertSpec', 'Unassign', 'DisownClaim', 'HoldForData']);

/** A lost race, as when the container has changed meanwhile, abandons the run. */
export function onFailure(action: Action, error: unknown): OnFailure {
  if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) return 'Abandon';
  // The Pod is brought back also when `spec.image` cannot be written back: the status says so.
  if (action.type === 'RevertSpec' && isRefusal(error)) return 'Report';
  return sideWrites.has(action.type) ? 'Continue' : 'Stop';
}

/** What was observed, with what has failed since. */
export const withFailures = (observed: Observed, failures: readonly ActionFailure<Action>[]): Observed => ({
  ...observed,
  failures: failures.map(({ action, error, policy }) => ({
    action: action.type,
    message: messageOf(error),
    isFinal: policy === 'Report',
  })),
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Does one action; returns the container in its newest revision. */
export async function act(
  client: Client,
  container: HostedContainer,
  action: Action,
  logger: Logger,
  signal: AbortSignal,
): Promise<HostedContainer> {
  const { name, namespace = '', uid, resourceVersion } = container.metadata;
  /** An edit that the plan has not seen is not overwritten. */
  const asSeen = { name, namespace, ...(uid !== undefined && { uid }), ...(resourceVersion && { resourceVersion }) };
  switch (action.type) {
    case 'CreatePod':
      await client.create(pods, action.pod, { fieldManager: fieldManagers.operator, signal });
      logger.info({ image: action.pod.metadata.annotations?.[annotations.image] }, 'Created Pod');
      return container;
    case 'CreateClaim':
      await client.create(persistentVolumeClaims, action.claim, { fieldManager: fieldManagers.operator, signal });
      logger.info({ claim: action.claim.metadata.name }, 'Created PersistentVolumeClaim');
      return container;
    case 'DisownClaim':
      await disownClaim(action.claim, container, { client, logger, signal });
      return container;
    case 'DeleteClaim':
      return deleteClaim(action.claim, container, { client, logger, signal });
    case 'HoldForData':
      return holdForData(container, action.hold, { client, logger, signal });
    case 'DeletePod':
      await client.delete(pods, { name, namespace }, { uid: action.uid, signal });
      logger.info({ why: action.why }, 'Deleted Pod');
      return container;
    case 'PatchPod': {
      const operations = patchOperations(action.patch, { asSeen: true });
      await client.jsonPatch(pods, { name, namespace }, operations, { fieldManager: fieldManagers.operator, signal });
      logger.info({ why: action.why }, 'Patched Pod');
      return container;
    }
    case 'RevertSpec': {
      const object = { metadata: asSeen, spec: { image: action.image } };
      const reverted = await client.apply(hostedContainers, object, {
        fieldManager: fieldManagers.revert,
        force: true,
        signal,
      });
      logger.info({ from: container.spec.image, to: action.image }, 'Reverted spec.image');
      return reverted;
    }
    case 'Unassign': {
      const nothing = { metadata: asSeen, status: {} };
      return client.applyStatus(hostedContainers, nothing, { fieldManager: fieldManagers.rollout, signal });
    }
  }
}

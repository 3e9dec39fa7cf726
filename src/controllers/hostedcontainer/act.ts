import type { Logger } from 'pino';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { annotations, fieldManagers } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import { isAlreadyExists, isConflict, isNotFound, isRefusal } from '../../runtime/errors.ts';
import { claims, pods } from '../caches.ts';
import { deleteClaim, disownClaim, holdForData } from './act-on-data.ts';
import type { Action, Failure, Observed } from './observed.ts';

/** What came of the actions of a plan. */
export interface ActionResults {
  /** In its newest revision. */
  container: HostedContainer;
  /** What did not work, and is reported in the status. */
  failures: Failure[];
  /** What must be tried again. */
  error?: Error;
}

export interface PerformOptions {
  logger: Logger;
  signal: AbortSignal;
  /** The API server has accepted this one. */
  done: (action: Action) => void;
}

/** Without these the Pod is brought back all the same: that they are refused, or fail, stops nothing else. */
const sideWrites: ReadonlySet<Action['type']> = new Set(['RevertSpec', 'Unassign', 'DisownClaim', 'HoldForData']);

/**
 * Does what the plan says, in its order, up to the first failure that the rest depends on. Throws only when it
 * lost a race, as when the container has changed meanwhile, or when the process stops.
 */
export async function perform(
  client: Client,
  container: HostedContainer,
  actions: readonly Action[],
  { logger, signal, done }: PerformOptions,
): Promise<ActionResults> {
  const results: ActionResults = { container, failures: [] };
  for (const action of actions) {
    try {
      results.container = await act(client, results.container, action, logger, signal);
      done(action);
    } catch (error) {
      if (signal.aborted || isLostRace(error)) throw error;
      const isFinal = action.type === 'RevertSpec' && isRefusal(error);
      results.failures.push({ action: action.type, message: messageOf(error), isFinal });
      if (!isFinal) results.error ??= error instanceof Error ? error : new Error(String(error));
      logger.warn({ err: error, action: action.type }, 'Action of the plan failed');
      if (!sideWrites.has(action.type)) break;
    }
  }
  return results;
}

/** What the plan was made from is no more. */
const isLostRace = (error: unknown): boolean => isConflict(error) || isAlreadyExists(error) || isNotFound(error);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What was seen, with what has failed since. */
export const withFailures = (observed: Observed, failures: readonly Failure[]): Observed => ({ ...observed, failures });

/** Does one thing; returns the container in its newest revision. */
async function act(
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
      await client.create(claims, action.claim, { fieldManager: fieldManagers.operator, signal });
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

import type { Logger } from 'pino';
import { fieldManagers } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Client } from '../../kube/client.ts';
import type { Resource } from '../../kube/resources.ts';
import { isAlreadyExists, isRefusal } from '../../runtime/errors.ts';
import type { KubeObject } from '../../runtime/object.ts';
import type { ActionFailure } from '../../runtime/plan.ts';
import { configMaps, jobs, pods } from '../../kube/resources.ts';
import type { DeletionExpectations } from '../deleted-objects.ts';
import type { Action, Observed } from './observed.ts';
import { isOwned } from './owned.ts';
import type { Owned } from './owned.ts';

/** What is needed to do something for one image. */
export interface Doer {
  client: Client;
  namespace: string;
  image: OSImage;
  /** Told of each Job and Pod that was deleted. */
  deletions: DeletionExpectations<KubeObject>;
  logger: Logger;
  signal: AbortSignal;
}

/** Does one action. */
export async function act(doer: Doer, action: Action): Promise<void> {
  const { client, namespace, image, deletions, logger, signal } = doer;
  switch (action.type) {
    case 'CreateConfigMap':
      await createOnce(doer, configMaps, action.configMap);
      return;
    case 'CreateJob':
      await createOnce(doer, jobs, action.job);
      return;
    case 'CreatePod':
      await createOnce(doer, pods, action.pod);
      return;
    case 'DeleteJob': {
      const at = { namespace, name: action.name };
      // Its Pods go with it.
      await client.delete(jobs, at, { uid: action.uid, propagationPolicy: 'Background', signal });
      deletions.add(image.metadata.name, action, new Date());
      logger.info({ job: action.name }, 'Deleted Job');
      return;
    }
    case 'DeletePod':
      await client.delete(pods, { namespace: action.namespace, name: action.name }, { uid: action.uid, signal });
      deletions.add(image.metadata.name, action, new Date());
      logger.info({ pod: action.name }, 'Deleted Pod');
      return;
  }
}

/** Creates it unless it is there: what was made before a crash, or is not in the cache yet, is as good. */
async function createOnce<T extends Owned>(doer: Doer, resource: Resource<T>, object: T): Promise<void> {
  const { client, image, logger, signal } = doer;
  try {
    await client.create(resource, object, { fieldManager: fieldManagers.operator, signal });
    logger.info({ kind: object.kind, name: object.metadata.name }, 'Created');
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const there = await client.get(resource, object.metadata, { signal });
    if (there && !isOwned(there, image)) throw error;
  }
}

/** What was observed, with what the API server refused: that is reported, and tried again all the same. */
export function withFailures(observed: Observed, failures: readonly ActionFailure<Action>[]): Observed {
  const refused = failures.map(({ error }) => error).find(isRefusal);
  return refused ? { ...observed, refusal: refused.message } : observed;
}

import type { Logger } from 'pino';
import { imageName } from '../api/images.ts';
import type { ImageName } from '../api/images.ts';
import type { Fetches } from './fetches.ts';
import type { AgentMemory } from './memory.ts';
import type { Action } from './plan.ts';
import { checkRemoval, removeImage } from './removal/removal.ts';
import type { RemovalPorts } from './removal/removal.ts';
import type { VerifyRunner } from './verify/runner.ts';

/** What an action needs on its node. */
export interface Doer {
  ports: RemovalPorts & { enqueue: () => void };
  memory: AgentMemory;
  fetches: Fetches;
  verifier: VerifyRunner;
  logger: Logger;
}

/** Does one action. After one that is done at once, the agent plans again at once; one that runs in the background asks for that when it ends. */
export async function act(doer: Doer, action: Action): Promise<void> {
  const { ports, memory, fetches, verifier, logger } = doer;
  switch (action.type) {
    case 'verify':
      verifier.start(action.image, action.content);
      return;
    case 'fetch':
      await fetches.start(action.image, action.fingerprint, logger);
      return;
    case 'cancelRemoval':
      memory.cancelRemoval(action.key);
      return;
    case 'cancelVerify':
      await verifier.cancel();
      break;
    case 'cancelFetch':
      await fetches.cancel(action.key);
      break;
    case 'announceRemoval':
      memory.announced(action.key, ports.now().getTime());
      break;
    case 'check':
      memory.checked(imageName(action.image), await checkRemoval(action.image, ports));
      break;
    case 'remove':
      await remove(doer, action.image);
  }
  ports.enqueue();
}

async function remove({ ports, memory, verifier, logger }: Doer, image: ImageName): Promise<void> {
  const key = imageName(image);
  await verifier.cancel(key);
  const inUse = await removeImage(image, ports);
  if (inUse) memory.checked(key, inUse);
  else memory.removed(key, ports.now().getTime());
  logger.info({ image: key }, inUse ? 'Kept image that is in use' : 'Deleted image');
}

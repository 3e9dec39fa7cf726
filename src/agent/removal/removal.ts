import type { Removal } from '../state.ts';
import { usersOf } from './users.ts';
import type { StoreUser } from './users.ts';
import type { ImageName } from '../../api/images.ts';
import type { StorePaths } from '../store/paths.ts';
import { deleteTrashed, moveToTrash, putBack } from '../store/remove.ts';

/** How long after a look at the Pods of a node the next one is due, when one of them uses an image that has to go. */
export const checkAgainMilliseconds = 30_000;
/** From the written announcement that an image goes to its going: time for the label of the node, and for Pods on their way. */
export const graceMilliseconds = 10_000;

export interface RemovalPorts {
  paths: StorePaths;
  /** All Pods of this node as the API server knows them now, from no cache. Throws when it cannot be asked. */
  listPods: () => Promise<readonly StoreUser[]>;
  now: () => Date;
  uniqueId: () => string;
}

/** Looks whether a Pod keeps an image from going. */
export async function checkRemoval(image: ImageName, ports: RemovalPorts): Promise<Removal> {
  const users = usersOf(image, ports.paths, await ports.listPods());
  return users.length > 0 ? inUse(users, ports) : { phase: 'Deleting', removeTime: undefined };
}

/**
 * Deletes an image, unless a Pod turns out to use it; then the image stays, or comes back, and what to remember is returned.
 * A Pod that was bound before the first look is seen by it; one that came in between by the second, while the tree is out of
 * everybody's way but whole. Whatever cannot be found out is taken for use: this throws and the image is in its place.
 */
export async function removeImage(image: ImageName, ports: RemovalPorts): Promise<Removal | undefined> {
  const { paths } = ports;
  const early = usersOf(image, paths, await ports.listPods());
  if (early.length > 0) return inUse(early, ports);
  const trashed = await moveToTrash(paths, image, ports.uniqueId());
  let late: string[];
  try {
    late = usersOf(image, paths, await ports.listPods());
  } catch (error) {
    await putBack(paths, image, trashed);
    throw error;
  }
  if (late.length === 0) {
    await deleteTrashed(paths, image, trashed);
    return undefined;
  }
  await putBack(paths, image, trashed);
  return inUse(late, ports);
}

function inUse(users: readonly string[], { now }: RemovalPorts): Removal {
  const others = users.length > 1 ? ` and ${users.length - 1} others` : '';
  const message = `Pod ${users[0] ?? ''}${others} on this node uses it; it goes when they are gone`;
  return { phase: 'InUse', checkTime: now().getTime() + checkAgainMilliseconds, message };
}

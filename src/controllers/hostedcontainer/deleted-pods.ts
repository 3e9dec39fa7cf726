import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Source } from '../../runtime/controller.ts';
import { keyOf, parseKey } from '../../runtime/object.ts';
import type { Reflector } from '../../runtime/reflector.ts';
import { DeletionExpectations } from '../deleted-objects.ts';
import type { Observed } from './observed.ts';

/**
 * What became of the Pods of containers. Whose deletion was accepted is going, although the cache may not know for a moment: who
 * then said that such a Pod is Ready would let a rollout take down one more than may be.
 */
export class PodDeletionExpectations {
  readonly #objects = new DeletionExpectations<Pod>();

  /** Sees each Pod of a container as soon as the cache does. */
  source(pods: Reflector<Pod>, isContainer: (key: string) => boolean): Source {
    return this.#objects.source(pods, ({ metadata }) => {
      const key = keyOf(metadata);
      return isContainer(key) ? key : undefined;
    });
  }

  /** The deletion of the Pod of this container was accepted. */
  add(key: string, uid: string, now: Date): void {
    this.#objects.add(key, { name: parseKey(key).name, uid }, now);
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#objects.forget(key);
  }

  /** What was seen, with the Pod marked as going if it was deleted and does not say so yet, and with what others deleted. */
  mark(observed: Observed): Observed {
    const { pod } = observed;
    const key = keyOf(observed.container.metadata);
    const [deletedByOthers] = this.#objects.see(key, pod ? [pod] : []);
    if (deletedByOthers) return { ...observed, deletedByOthers };
    const deletionTimestamp = pod && this.#objects.deletionTime(key, pod);
    if (!deletionTimestamp || pod.metadata.deletionTimestamp !== undefined) return observed;
    return { ...observed, pod: { ...pod, metadata: { ...pod.metadata, deletionTimestamp } } };
  }
}

import { keyOf } from '../../runtime/object.ts';
import type { Observed } from './observed.ts';

/**
 * The Pods whose deletion the API server has accepted: the cache may not know for a moment, and who then said that such a Pod
 * is Ready would let a rollout take down one more than may be.
 */
export class DeletedPods {
  readonly #known = new Map<string, { uid: string; time: string }>();

  /** The deletion of the Pod of this container was accepted. */
  add(key: string, uid: string, now: Date): void {
    this.#known.set(key, { uid, time: now.toISOString() });
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** What was seen, with the Pod marked as going if it was deleted and does not say so yet. */
  mark(observed: Observed): Observed {
    const { pod } = observed;
    const key = keyOf(observed.container.metadata);
    const known = this.#known.get(key);
    if (!known) return observed;
    if (pod?.metadata.uid !== known.uid || pod.metadata.deletionTimestamp !== undefined) {
      this.#known.delete(key);
      return observed;
    }
    return { ...observed, pod: { ...pod, metadata: { ...pod.metadata, deletionTimestamp: known.time } } };
  }
}

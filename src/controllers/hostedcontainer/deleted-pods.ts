import type { Pod } from '../../api/kubernetes/objects.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Observed } from './observed.ts';

interface Memory {
  /** The Pod that was there last, as it was seen. */
  last?: Pod;
  /** The Pod whose deletion the API server has accepted from this operator. */
  deleted?: { uid: string; time: string };
}

/**
 * What became of Pods. Whose deletion was accepted is going, although the cache may not know for a moment: who then said that
 * such a Pod is Ready would let a rollout take down one more than may be. And a Pod that is gone, or going, without that was
 * deleted by somebody else. An operator that starts knows of no Pod that went before: that deletion is not counted.
 */
export class DeletedPods {
  readonly #known = new Map<string, Memory>();

  /** The deletion of the Pod of this container was accepted. */
  add(key: string, uid: string, now: Date): void {
    this.#known.set(key, { ...this.#known.get(key), deleted: { uid, time: now.toISOString() } });
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** What was seen, with the Pod marked as going if it was deleted and does not say so yet, and with what others deleted. */
  mark(observed: Observed): Observed {
    const { pod } = observed;
    const key = keyOf(observed.container.metadata);
    const { last, deleted } = this.#known.get(key) ?? {};
    if (pod) this.#known.set(key, { last: pod, ...(deleted?.uid === pod.metadata.uid && { deleted }) });
    if (!pod) return last && last.metadata.uid !== deleted?.uid ? { ...observed, deletedByOthers: last } : observed;
    if (!deleted || deleted.uid !== pod.metadata.uid)
      return pod.metadata.deletionTimestamp === undefined ? observed : { ...observed, deletedByOthers: pod };
    if (pod.metadata.deletionTimestamp !== undefined) return observed;
    const metadata = { ...pod.metadata, deletionTimestamp: deleted.time };
    return { ...observed, pod: { ...pod, metadata } };
  }
}

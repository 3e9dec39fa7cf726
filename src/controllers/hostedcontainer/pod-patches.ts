import { keyOf } from '../../runtime/object.ts';
import { patchedPod } from '../../pod/in-place.ts';
import type { PodPatch } from '../../pod/in-place.ts';
import type { Observed } from './observed.ts';

/**
 * The patches of Pods that the cache may not know yet. A patch is taken only of the revision that it was decided on, so a cache that
 * still has that revision is behind it. Of use only until then: the Pod itself says that it was patched.
 */
export class PodPatches {
  readonly #known = new Map<string, PodPatch>();

  /** The API server has taken this patch. */
  add(patch: PodPatch): void {
    this.#known.set(keyOf(patch.from.metadata), patch);
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** What was seen, with the Pod as it is since the patch. */
  mark(observed: Observed): Observed {
    const key = keyOf(observed.container.metadata);
    const patch = this.#known.get(key);
    if (!patch) return observed;
    const { uid, resourceVersion } = patch.from.metadata;
    const seen = observed.pod?.metadata;
    if (seen?.uid === uid && seen?.resourceVersion === resourceVersion) return { ...observed, pod: patchedPod(patch) };
    this.forget(key);
    return observed;
  }
}

import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Source } from '../../runtime/controller.ts';
import { keyOf } from '../../runtime/object.ts';
import { MutationCache } from '../../runtime/mutation-cache.ts';
import type { Reflector } from '../../runtime/reflector.ts';
import { PodDeletionExpectations } from './deleted-pods.ts';
import type { Action, Observed, Plan } from './observed.ts';
import { PodPatches } from './pod-patches.ts';
import { SpecReverts } from './spec-reverts.ts';
import { WaitingForNodes } from './waiting.ts';

/** What the controller has done and its caches do not show yet. A restart loses nothing: it is true again once they do. */
export class Memory {
  readonly #deletions = new PodDeletionExpectations();
  readonly #patches = new PodPatches();
  readonly #reverts = new SpecReverts();
  readonly #mutations = new MutationCache<HostedContainer>();
  readonly #waiting = new WaitingForNodes();
  #leadingSince: Date | undefined;

  /** Sees the Pods of containers as soon as the cache does; before the source of the keys. */
  podSource(pods: Reflector<Pod>, isContainer: (key: string) => boolean): Source {
    return this.#deletions.source(pods, isContainer);
  }

  /** The container after all that was written; a run of its controller begins. */
  begin(cached: HostedContainer): HostedContainer {
    this.#waiting.begin(keyOf(cached.metadata));
    return this.#mutations.get(cached);
  }

  /** What was observed, with what is known besides. */
  recall(observed: Observed): Observed {
    this.#leadingSince ??= observed.now;
    const leadingSince = this.#leadingSince;
    const patched = this.#patches.mark({ ...observed, leadingSince });
    return this.#reverts.mark(this.#deletions.mark(patched));
  }

  /** The API server has accepted this action for this container. */
  done(container: HostedContainer, action: Action, now: Date): void {
    if (action.type === 'DeletePod') this.#deletions.add(keyOf(container.metadata), action.uid, now);
    if (action.type === 'PatchPod') this.#patches.add(action.patch);
    if (action.type === 'RevertSpec') this.#reverts.add(container);
  }

  /** What the run has decided, written or not. */
  decided(key: string, { status }: Plan): void {
    this.#waiting.planned(key, status);
  }

  written(old: HostedContainer, written: HostedContainer): void {
    this.#mutations.mutated(old, written);
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#deletions.forget(key);
    this.#patches.forget(key);
    this.#reverts.forget(key);
    this.#mutations.forget(key);
    this.#waiting.forget(key);
  }

  /** Containers that a change of a node may let go on. */
  keysWaitingForNodes(): string[] {
    return this.#waiting.keys();
  }
}

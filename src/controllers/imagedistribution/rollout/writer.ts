import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { annotations, fieldManagers } from '../../../api/names.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { isConflict, isNotFound } from '../../../kube/client.ts';
import type { Client } from '../../../kube/client.ts';
import { hostedContainers, osImages } from '../../../kube/kinds.ts';
import { MutationCache } from '../../../runtime/mutation-cache.ts';
import { parallel } from '../../../runtime/parallel.ts';
import type { Assignment } from './observed.ts';

/** Writes under way at the same time. */
const parallelWrites = 8;

/** Writes what rollouts decide, and knows what it has written until the cache does. */
export class RolloutWriter {
  readonly #client: Client;
  /** Without that a lagging cache would let too many go at once. */
  readonly #mutations = new MutationCache<HostedContainer>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** The container as it is after all that was written. */
  newest(cached: HostedContainer): HostedContainer {
    return this.#mutations.get(cached);
  }

  /** Forgets those that are gone. */
  prune(exists: (key: string) => boolean): void {
    this.#mutations.prune(exists);
  }

  /** Moves these. One that has changed since it was observed is left out: its change leads to another run. */
  async assign(assignments: readonly Assignment[], signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    await parallel(assignments, parallelWrites, async (it) => {
      if (failures.length >= parallelWrites) return;
      await this.#assignOne(it, signal).catch((error: unknown) => failures.push(error));
    });
    if (failures.length > 0) throw failures[0];
  }

  async #assignOne(assignment: Assignment, signal: AbortSignal): Promise<void> {
    const { container, image, time, retryToken, whileUnavailable = false, back = false } = assignment;
    const { name, namespace = '', uid, resourceVersion } = container.metadata;
    const object = {
      metadata: { name, namespace, ...(uid !== undefined && { uid }), ...(resourceVersion && { resourceVersion }) },
      status: {
        assignedImage: image,
        assignedTime: time,
        assignedRetryToken: retryToken,
        // Always with a value: the operator owns what it has read too, so a field that is left out would stay.
        assignedWhileUnavailable: whileUnavailable,
        assignedBack: back,
      },
    };
    try {
      const written = await this.#client.applyStatus(hostedContainers, object, {
        fieldManager: fieldManagers.rollout,
        signal,
      });
      this.#mutations.mutated(container, written);
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  /** Condemns an image, unless it has changed since it was looked at: somebody may have said more of it. */
  async condemn({ metadata }: OSImage, evidence: string, signal: AbortSignal): Promise<void> {
    const { name, uid, resourceVersion } = metadata;
    const object = {
      metadata: {
        name,
        ...(uid !== undefined && { uid }),
        ...(resourceVersion && { resourceVersion }),
        annotations: { [annotations.condemned]: evidence },
      },
    };
    await this.#client.apply(osImages, object, { fieldManager: fieldManagers.condemn, signal });
  }
}

import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Observed } from './observed.ts';
import { newest } from './history.ts';

/**
 * For which failures `spec.image` was written back: once is once, also when a GitOps tool has written the failed image again
 * before the status could say so. Of use only until the status does; an operator that starts in between may write it once more.
 */
export class SpecReverts {
  readonly #known = new Map<string, string>();

  /** The spec of this container was written back because of its newest attempt. */
  add(container: HostedContainer): void {
    this.#known.set(keyOf(container.metadata), attemptOf(container));
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** What was seen, with what is known of its newest attempt. */
  mark(observed: Observed): Observed {
    const { container } = observed;
    const known = this.#known.get(keyOf(container.metadata));
    if (known === undefined) return observed;
    if (known === attemptOf(container)) return { ...observed, isSpecReverted: true };
    this.forget(keyOf(container.metadata));
    return observed;
  }
}

function attemptOf({ metadata: { uid = '' }, status }: HostedContainer): string {
  const { image = '', startTime = '', outcome = '' } = newest(status ?? {}) ?? {};
  return `${uid} ${image} ${startTime} ${outcome}`;
}

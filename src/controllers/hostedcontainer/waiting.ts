import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import { endOf, isReason } from './reasons.ts';

/**
 * Whom a change of a node concerns: containers that something about nodes could let go on. By what was planned last, not by the
 * status in the cache: that comes later than the plan, and a node that changed in between would be missed until the container
 * looks again by itself.
 */
export class WaitingForNodes {
  readonly #keys = new Set<string>();

  /** A run looks at the nodes: what they become from now on is news to it. */
  begin(key: string): void {
    this.#keys.add(key);
  }

  /** What the run has planned, and written or not. One that fails before that goes on waiting. */
  planned(key: string, status: HostedContainerStatus): void {
    if (!isWaiting(status)) this.#keys.delete(key);
  }

  /** The container is gone. */
  forget(key: string): void {
    this.#keys.delete(key);
  }

  keys(): string[] {
    return [...this.#keys];
  }
}

function isWaiting({ conditions }: HostedContainerStatus): boolean {
  const stalled = findCondition(conditions, 'Stalled');
  const depends = stalled?.status === 'True' && isReason(stalled.reason) && endOf(stalled.reason) === 'Depends';
  return depends || isTrue(conditions, 'Reconciling');
}

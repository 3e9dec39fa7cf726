import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { parseReference } from '../../api/images.ts';
import { sameImage } from '../../api/mounts.ts';
import { amount } from '../../controllers/imagedistribution/rollout/budget.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { keyOf } from '../../runtime/object.ts';

export interface RestartFacts {
  distribution: ImageDistribution;
  containers: readonly HostedContainer[];
  /** The image of the Pod of each container, by its key. */
  running: ReadonlyMap<string, string>;
  /** What the operator gives to new Pods; undefined when all containers are to be restarted. */
  scaffolds: readonly string[] | undefined;
}

export interface RestartPlan {
  /** Those to restart, in order. The first goes alone, as a canary. */
  restart: HostedContainer[];
  /** How many of them may be restarting at once. */
  limit: number;
  /** Of the containers on an image of the distribution's OS: those that have the scaffold already. */
  current: number;
  /** And those that are left alone, as they are not Ready: an upgrade or a person has them in hand. */
  notReady: HostedContainer[];
}

/** What `maxUnavailable` is for a distribution that moves no existing containers, as its schema has it. */
const defaultBudget = '10%';

/**
 * The containers that run an image of the distribution's OS and whose Pod has an older scaffold, in as many at once as its rollouts may take
 * down; containers that are down already count against that.
 */
export function planRestart({ distribution, containers, running, scaffolds }: RestartFacts): RestartPlan {
  const { os } = parseReference(distribution.spec.image);
  const mine = containers.filter(({ metadata, status }) => {
    return status?.image !== undefined && parseReference(status.image).os === os && running.has(keyOf(metadata));
  });
  const old = mine.filter(({ metadata }) => {
    const image = running.get(keyOf(metadata)) ?? '';
    return !scaffolds?.some((scaffold) => sameImage(scaffold, image));
  });
  const notReady = old.filter((container) => !isSettled(container));
  const budget = distribution.spec.activate.existingContainers?.maxUnavailable ?? defaultBudget;
  const down = mine.filter(({ status }) => findCondition(status?.conditions, 'Ready')?.status !== 'True');
  return {
    restart: old.filter(isSettled),
    limit: Math.max(1, amount(budget, mine.length, Math.floor)) - down.length,
    current: mine.length - old.length,
    notReady,
  };
}

/** It runs what it should: a restart in the middle of an upgrade would count as one of its exits. */
function isSettled({ status }: HostedContainer): boolean {
  const [ready, upgraded] = ['Ready', 'Upgraded'].map((type) => findCondition(status?.conditions, type)?.status);
  return ready === 'True' && upgraded !== 'Unknown';
}

/**
 * Restarts one after the other, at most `limit` at once, and the first of all alone. `restart` resolves to whether it is good again; after
 * one that is not, no other is begun. Resolves to those that were begun and are good, and those that are not.
 */
export async function inWaves<T>(
  items: readonly T[],
  limit: number,
  restart: (item: T) => Promise<boolean>,
): Promise<{ good: T[]; bad: T[] }> {
  const waiting = [...items];
  const result: { good: T[]; bad: T[] } = { good: [], bad: [] };
  const next = async (): Promise<boolean> => {
    const item = waiting.shift();
    if (item === undefined || result.bad.length > 0) return false;
    const isGood = await restart(item);
    (isGood ? result.good : result.bad).push(item);
    return isGood;
  };
  const worker = async () => {
    while (await next());
  };
  if (await next()) await Promise.all(Array.from({ length: limit }, worker));
  return result;
}

import type { Pod } from '../../api/kubernetes/objects.ts';
import { parseQuantity } from '../../api/kubernetes/quantity.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import { mebibytes } from '../terminal.ts';
import type { ClusterFacts } from './facts.ts';
import { failed, ok, seeing, some, warning } from './rule.ts';
import type { Finding, Rule } from './rule.ts';

/** Room in the stores: for what nodes have to fetch, and for one more version. */
export const room: Rule = {
  id: 'room',
  isBefore: false,
  find: (facts) => seeing(facts, ['nodestores'], () => findTight(facts)),
};

function findTight({ scene, agents }: ClusterFacts): Omit<Finding, 'id'> {
  const stores = scene.nodeStores;
  const full = stores.filter(({ status }) => status?.images?.some(({ state, reason }) => state !== 'Ready' && reason === 'NoSpace')); // prettier-ignore
  const hint = 'kubectl monoroot nodes; docs/runbooks/MonorootStoreNearlyFull.md';
  if (full.length > 0)
    return failed(`An image does not fit into the store of ${some(full.map(({ metadata }) => metadata.name))}`, hint);
  const kept = minFreeOf(agents);
  const tight = stores.flatMap((store) => {
    const missing = missingFor(store, kept);
    return missing === undefined ? [] : [`${store.metadata.name} (${missing})`];
  });
  if (tight.length > 0) return warning(`One more version may not fit on ${some(tight)}`, hint);
  const known = stores.filter(({ status }) => status?.store !== undefined).length;
  return ok(known === 0 ? 'No agent has reported its disk yet' : `${known} stores have room for one more version`);
}

/** What the agents keep free, as their DaemonSet says. */
function minFreeOf(agents: ClusterFacts['agents']): string {
  const [pod] = 'found' in agents ? agents.found : [];
  return settingOf(pod, 'MIN_FREE') ?? '15%';
}

interface Setting {
  name: string;
  value?: string;
}
const settingOf = (pod: Pod | undefined, name: string): string | undefined => {
  const [container] = pod?.spec.containers ?? [];
  const { env = [] } = (container ?? {}) as { env?: Setting[] };
  return env.find((it) => it.name === name)?.value;
};

/** Free space and the need of the largest image that is there; undefined when it fits or is not known. */
function missingFor({ status }: NodeStore, minFree: string): string | undefined {
  const { freeBytes, capacityBytes } = status?.store ?? {};
  const largest = Math.max(0, ...(status?.images ?? []).map(({ unpackedBytes = 0 }) => unpackedBytes));
  if (freeBytes === undefined || largest === 0) return undefined;
  const percent = /^(\d+)%$/.exec(minFree)?.[1];
  const kept = percent === undefined ? (parseQuantity(minFree) ?? 0) : ((capacityBytes ?? 0) * Number(percent)) / 100;
  return freeBytes - kept >= largest
    ? undefined
    : `${mebibytes(freeBytes)} free, ${mebibytes(kept)} stay so, the largest has ${mebibytes(largest)}`;
}

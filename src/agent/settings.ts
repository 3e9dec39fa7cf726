import { parseQuantity } from '../pod/quantity.ts';
import type { MinFree } from './store/space.ts';

/** What the one who runs the agents decides for all of them. */
export interface AgentSettings {
  /** Never taken of the file system of the store. */
  minFree: MinFree;
  /** Images fetched at the same time on this node. */
  maxConcurrentFetches: number;
}

const mebibyte = 1024 * 1024;
const leastBytes = 16 * mebibyte;
const mostFetches = 16;

/**
 * Reads `MIN_FREE` and `MAX_CONCURRENT_FETCHES`. Throws an error that names variable, value and rule when one makes no sense.
 * 15% is where a kubelet with its own defaults begins to evict Pods from a full disk: images must not bring it about.
 * Two fetches, so that one can use the network while the other unpacks and a small image need not wait for a large one; more
 * would share the same network and disk.
 */
export function readSettings(env: {
  MIN_FREE?: string | undefined;
  MAX_CONCURRENT_FETCHES?: string | undefined;
}): AgentSettings {
  return {
    minFree: parseMinFree(env.MIN_FREE || '15%'),
    maxConcurrentFetches: parseFetches(env.MAX_CONCURRENT_FETCHES || '2'),
  };
}

function parseMinFree(text: string): MinFree {
  const percent = /^(\d{1,2})%$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) >= 1 && Number(percent) <= 90) return { percent: Number(percent) };
  const bytes = parseQuantity(text);
  if (bytes !== undefined && bytes >= leastBytes) return { bytes };
  throw new Error(`MIN_FREE is '${text}': it must be a quantity of at least 16Mi such as 10Gi, or 1% to 90%`);
}

function parseFetches(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= mostFetches) return count;
  throw new Error(`MAX_CONCURRENT_FETCHES is '${text}': it must be a whole number from 1 to ${mostFetches}`);
}

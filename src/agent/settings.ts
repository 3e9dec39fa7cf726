import { parseQuantity } from '../api/kubernetes/quantity.ts';
import type { MinFree } from '../image/disk/space.ts';

/** What the one who runs the agents decides for all of them. */
export interface AgentSettings {
  /** Never taken of the file system of the store. */
  minFree: MinFree;
  /** Images fetched at the same time on this node; no more than its memory lets. */
  maxConcurrentFetches: number;
}

const mebibyte = 1024 * 1024;
const leastBytes = 16 * mebibyte;
const mostFetches = 16;
/** The agent itself, with a list of files. */
const ownBytes = 160 * mebibyte;
/** One fetch at its limits: a decompressor with a window of 128 MiB, bsdtar, and the thread between them. See docs/limits.md. */
const fetchBytes = 296 * mebibyte;

/**
 * Reads `MIN_FREE` and `MAX_CONCURRENT_FETCHES`. Throws an error that names variable, value and rule when one makes no sense.
 * 15% is where a kubelet with its own defaults begins to evict Pods from a full disk: images must not bring it about.
 * Two fetches, so that one can use the network while the other unpacks and a small image need not wait for a large one; more
 * would share the same network and disk. `MEMORY_LIMIT`, in bytes, is that of the agent with all of its programs: fewer are
 * fetched at the same time when it has no room for their programs.
 */
export function readSettings(env: {
  MIN_FREE?: string | undefined;
  MAX_CONCURRENT_FETCHES?: string | undefined;
  MEMORY_LIMIT?: string | undefined;
}): AgentSettings {
  const fetches = parseFetches(env.MAX_CONCURRENT_FETCHES || '2');
  return {
    minFree: parseMinFree(env.MIN_FREE || '15%'),
    maxConcurrentFetches: Math.min(fetches, fetchesWithin(env.MEMORY_LIMIT || undefined)),
  };
}

/** How many fetches find room in the memory; one always may try. */
function fetchesWithin(limit: string | undefined): number {
  if (limit === undefined) return mostFetches;
  if (!/^\d{1,18}$/.test(limit)) throw new Error(`MEMORY_LIMIT is '${limit}': it must be a number of bytes`);
  return Math.max(1, Math.floor((Number(limit) - ownBytes) / fetchBytes));
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

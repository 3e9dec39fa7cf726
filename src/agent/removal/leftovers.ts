import type { StorePaths } from '../store/paths.ts';
import { settleTrash } from '../store/remove.ts';
import type { Leftover } from '../store/remove.ts';

/** What waits in the trash, because agents died when they deleted it, and until when: milliseconds since 1970. */
export interface WaitingLeftover extends Leftover {
  retryTime: number;
}

/** Says what the trash still holds of removals; the rest is deleted or back in its place. */
export type SettleLeftovers = (now: number) => Promise<{ waiting: WaitingLeftover[]; failures: unknown[] }>;

/** Deletes what is left in the trash. What agents died of waits `delay` milliseconds, from when it is seen first. */
export function createLeftovers(paths: StorePaths, delay: (deaths: number) => number): SettleLeftovers {
  const retryTimes = new Map<string, number>();
  return async (now) => {
    const retryTimeOf = ({ name, deaths }: Leftover) => {
      const time = retryTimes.get(name) ?? (deaths === 0 ? now : now + delay(deaths));
      retryTimes.set(name, time);
      return time;
    };
    const { waiting, failures } = await settleTrash(paths, (leftover) => retryTimeOf(leftover) <= now);
    for (const name of retryTimes.keys()) if (!waiting.some((it) => it.name === name)) retryTimes.delete(name);
    return { waiting: waiting.map((it) => ({ ...it, retryTime: retryTimeOf(it) })), failures };
  };
}

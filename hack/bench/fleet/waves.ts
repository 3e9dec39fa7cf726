import { arrivals, departures } from './availability.ts';
import type { PodChange } from './availability.ts';

/** How a rollout went, by the record of Pods. */
export interface Waves {
  /** From the first canary being asked to stop until the last of them serves the new image. */
  canarySeconds: number;
  /** From there until another container is asked to stop. */
  soakSeconds: number;
  /** From the end of one wave to that of the next; where places are filled as they become free, of so many arrivals. */
  waveSeconds: number[];
  /** Of those that are no canaries. */
  containersPerSecond: number;
}

/** `size`: so many containers may be down at once. */
export function wavesOf(changes: readonly PodChange[], image: string, canaries: number, size: number): Waves {
  const [left, arrived] = [departures(changes), arrivals(changes, image)];
  const at = (times: readonly number[], index: number) => (times[Math.min(index, times.length - 1)] ?? NaN) / 1000;
  const canariesServe = at(arrived, canaries - 1);
  const others = arrived.length - canaries;
  const begin = at(left, canaries);
  const ends = Array.from({ length: Math.ceil(others / size) }, (_, wave) =>
    at(arrived, canaries + (wave + 1) * size - 1),
  );
  return {
    canarySeconds: canariesServe - at(left, 0),
    soakSeconds: begin - canariesServe,
    waveSeconds: ends.map((end, i) => end - (ends[i - 1] ?? begin)),
    containersPerSecond: others / (at(arrived, arrived.length - 1) - begin),
  };
}

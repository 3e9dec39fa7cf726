import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { parseReference } from '../../../api/images.ts';

/** How long it takes until a container that goes to another image is Ready, in seconds, without `minReadySeconds`. */
export interface Durations {
  least: number;
  typical: number;
  most: number;
  /** Upgrades that were measured; 0: nothing was, and these are assumed. */
  measured: number;
}

/** What is assumed where nothing was measured. */
export const assumedDurations: Durations = { least: 5, typical: 30, most: 120, measured: 0 };

/** Longer ones waited for something else, such as a node or a person. */
const longestSeconds = 3600;

/**
 * Out of the histories of the containers of an operating system: from the first try of an image to Ready. The first start of a
 * container waits for its node and its data, so it is none of these.
 */
export function measureDurations(containers: readonly HostedContainer[], os: string): Durations {
  const seconds = containers
    .filter(({ spec }) => parseReference(spec.image).os === os)
    .flatMap(({ status }) => (status?.history ?? []).slice(0, -1))
    .flatMap(({ startTime, readyTime, outcome }) =>
      readyTime === undefined || outcome === 'Failed' || outcome === 'Reverted'
        ? []
        : [(Date.parse(readyTime) - Date.parse(startTime)) / 1000],
    )
    .filter((it) => it >= 0 && it <= longestSeconds)
    .sort((a, b) => a - b);
  if (seconds.length === 0) return assumedDurations;
  const at = (part: number) => seconds[Math.min(seconds.length - 1, Math.floor(part * seconds.length))] ?? 0;
  const rounded = (value: number) => Math.round(value * 10) / 10;
  // Times in a status are whole seconds.
  return {
    least: rounded(Math.max(0, at(0.05) - 1)),
    typical: rounded(at(0.5)),
    most: rounded(at(0.95) + 1),
    measured: seconds.length,
  };
}

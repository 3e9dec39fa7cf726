import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import type { Durations } from './durations.ts';
import { simulate } from './simulate.ts';
import type { Scenario, Simulated } from './simulate.ts';

/** Three simulations of one rollout: with the shortest, the usual and the longest times of an upgrade. */
export interface Forecast {
  durations: Durations;
  /** `<namespace>/<name>` of all that follow and are selected. */
  names: string[];
  earliest: Simulated;
  typical: Simulated;
  latest: Simulated;
}

/** What is known of the cluster and the rollout, without how containers will live. */
export type ForecastInput = Omit<Scenario, 'lives' | 'mostPlans'>;

/** A container that exits at once has done so three times by then: the kubelet waits 10 and 20 seconds in between. */
const threeExitsSeconds = 30;
/** Enough for a rollout of 10,000 containers one by one. */
export const mostPlans = 100_000;

/** With the usual times: those that are down now come back. */
export function simulateTypical(input: ForecastInput, durations: Durations, failing: number, plans: number) {
  const lives = {
    upgradeSeconds: (it: HostedContainer) => durations.typical + it.spec.upgrade.minReadySeconds,
    failureSeconds: () => durations.typical + threeExitsSeconds,
    failing,
    heals: true,
  };
  return simulate({ ...input, lives, mostPlans: plans });
}

/**
 * Bounds and the middle: at the earliest all is as quick as can be and those that are down come back; at the latest each
 * takes the longest, and those that are down fail at their deadline. `failing`: how many of those that are moved first fail.
 * Undefined when the distribution moves no containers.
 */
export function forecast(input: ForecastInput, durations: Durations, failing = 0): Forecast | undefined {
  const minReady = ({ spec }: HostedContainer) => spec.upgrade.minReadySeconds;
  const earliest = simulate({
    ...input,
    lives: {
      upgradeSeconds: (it) => durations.least + minReady(it),
      failureSeconds: () => durations.least,
      failing,
      heals: true,
    },
    mostPlans,
  });
  const typical = simulateTypical(input, durations, failing, mostPlans);
  const latest = simulate({
    ...input,
    lives: {
      upgradeSeconds: (it) => durations.most + minReady(it),
      failureSeconds: ({ spec }) => durations.most + spec.upgrade.progressDeadlineSeconds,
      failing,
      heals: false,
    },
    mostPlans,
  });
  return earliest && typical && latest && { durations, names: typical.names, earliest, typical, latest };
}

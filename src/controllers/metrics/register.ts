import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ReadonlyStore } from '../../runtime/store.ts';
import { families } from './fleet.ts';
import type { FleetObjects } from './fleet.ts';
import { endedDowntime, endedUpgrade } from './upgrades.ts';

/** Seconds: from a container that restarts in place to one that waits for a claim. */
const upgradeBuckets = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];

/** Where the fleet is known. */
export type FleetStores = { [K in keyof FleetObjects]: ReadonlyStore<FleetObjects[K][number]> };

/** Metrics of changes, for docs/metrics.md. */
export const counted = {
  upgrades: {
    name: 'monoroot_upgrades_total',
    help: 'Finished attempts to run another image, by result: Succeeded, Failed, Reverted or Superseded',
    labelNames: ['os', 'version', 'result', 'reason'],
  },
  duration: {
    name: 'monoroot_upgrade_duration_seconds',
    help: 'Time of an attempt from its first try to its end',
    labelNames: ['result'],
  },
  downtime: {
    name: 'monoroot_upgrade_downtime_seconds',
    help: 'Time that a container was not Ready because of an upgrade or a revert',
    labelNames: [],
  },
} as const;

/**
 * Adds what the operator knows of the fleet to the registry. Only the leader reports it, so that a sum over the operators is right:
 * gauges have no series elsewhere, and nothing is counted there.
 */
export function registerFleetMetrics(registry: Registry, stores: FleetStores, isLeading: () => boolean): void {
  const registers = [registry];
  const fleet = (): FleetObjects => ({
    images: stores.images.list(),
    distributions: stores.distributions.list(),
    containers: stores.containers.list(),
    stores: stores.stores.list(),
  });
  for (const { name, help, labels, samples } of families) {
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers,
      collect() {
        this.reset();
        if (isLeading()) for (const sample of samples(fleet())) this.set(sample.labels, sample.value);
      },
    });
  }
  const upgrades = new Counter({ ...counted.upgrades, labelNames: [...counted.upgrades.labelNames], registers });
  const duration = new Histogram({
    ...counted.duration,
    labelNames: [...counted.duration.labelNames],
    buckets: upgradeBuckets,
    registers,
  });
  const downtime = new Histogram({ ...counted.downtime, labelNames: [], buckets: upgradeBuckets, registers });
  stores.containers.subscribe((_key, old, current) => {
    if (!old || !current || !isLeading()) return;
    const ended = endedUpgrade(old, current);
    if (ended) {
      const { os, version, result, reason } = ended;
      upgrades.inc({ os, version, result, reason });
      duration.observe({ result }, ended.seconds);
    }
    const down = endedDowntime(old, current);
    if (down !== undefined) downtime.observe(down);
  });
}

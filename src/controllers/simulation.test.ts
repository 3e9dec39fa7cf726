import { expect, test } from 'vitest';
import { simulate } from '../../test/simulation/simulation.ts';

/**
 * All reconcilers together, with their real caches, through random events of people, cluster and faults. The seeds are fixed, so
 * that a failure can be repeated; hack/fuzz controllers takes others and more events: FUZZ_SEEDS=FIRST,COUNT, FUZZ_EVENTS, and
 * FUZZ_TRACE=1, which says what happened.
 */
const [first = 1, count = 18] = (process.env['FUZZ_SEEDS'] ?? '').split(',').filter(Boolean).map(Number);
const seeds = Array.from({ length: count }, (_, i) => first + i);
const events = Number(process.env['FUZZ_EVENTS'] ?? 80);
const trace =
  process.env['FUZZ_TRACE'] === undefined ? {} : { trace: (line: string) => process.stderr.write(`${line}\n`) };

test.for(seeds)(
  'the operator keeps its promises through hours of trouble, seed %d',
  { timeout: 120_000 * Math.max(1, events / 80) },
  async (seed) => {
    expect(await simulate({ seed, events, clusterFaults: seed % 2 === 0, ...trace })).toEqual([]);
  },
);

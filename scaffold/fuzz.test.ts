import { afterAll, expect, test } from 'vitest';
import { dice } from '../test/fixtures/agent/random.ts';
import { launchBorders } from '../test/fixtures/launch-borders.ts';
import { whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
const made = missing === undefined ? launchBorders() : undefined;
afterAll(() => made?.close());

/** As many as take a few seconds; hack/fuzz takes others, for longer. */
const seeds = 60;

test.skipIf(missing !== undefined).each(['users', 'environment'])(
  'launch does with any %s what it should, or says why not',
  { timeout: 120_000 },
  async (name) => {
    const findings: string[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      await made?.borders[name]?.probe(dice(seed), '').catch((error: unknown) => {
        findings.push(`seed ${seed}: ${String(error)}`);
      });
    }
    expect(findings).toEqual([]);
  },
);

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { answers, borders } from '../../test/fixtures/agent/borders.ts';
import type { Border } from '../../test/fixtures/agent/borders.ts';
import { whyNoUnpacking } from '../../test/fixtures/agent/environment.ts';
import { dice } from '../../test/fixtures/agent/random.ts';
import { serve } from '../../test/fixtures/agent/server.ts';

const unable = whyNoUnpacking();

/** Runs the probes of these seeds; what one finds is reported with its seed. */
async function run(border: Border, seeds: number): Promise<string[]> {
  const findings: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const directory = await mkdtemp(join(tmpdir(), 'monoroot-fuzz-'));
    try {
      await border.probe(dice(seed), directory);
    } catch (error) {
      findings.push(`seed ${seed}: ${String(error)}`);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  return findings;
}

const seeds: Record<string, number> = {
  manifest: 2000,
  configuration: 2000,
  bundle: 300,
  policy: 1000,
  archive: 60,
  layers: 20,
};

describe.skipIf(unable)(unable ? `what strangers send (skipped: ${unable})` : 'what strangers send', () => {
  test.each(Object.entries(borders))(
    'is taken or refused, and does nothing else: %s',
    { timeout: 60_000 },
    async (name, border) => {
      expect(await run(border, seeds[name] ?? 0)).toEqual([]);
    },
  );

  test('is taken or refused, and does nothing else: answers of registries', { timeout: 60_000 }, async () => {
    const border = answers((answer) =>
      serve((request, response) => {
        const { status, headers, body } = answer();
        const own = `http://${request.headers.host ?? ''}`;
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value.replace('ORIGIN', own));
        response.writeHead(status).end(body);
      }),
    );
    expect(await run(border, 200)).toEqual([]);
  });
});

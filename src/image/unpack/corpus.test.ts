import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { archives } from '../../../test/fixtures/agent/corpus/archives.ts';
import { differences, stored, treesOf, unpackedByGnuTar } from '../../../test/fixtures/agent/corpus/compare.ts';
import { deliberate } from '../../../test/fixtures/agent/corpus/deliberate.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';

const unable = whyNoUnpacking();

/** What came of one archive, and how it differs, if it does. */
async function compared(
  directory: string,
  bytes: Buffer,
): Promise<{ outcome: string; refused?: string; fault?: string }> {
  const since = BigInt(Date.now() - 1000) * 1_000_000n;
  const refusal = await stored(directory, 'archive', [bytes]);
  const gnu = unpackedByGnuTar(directory, bytes);
  if (refusal) {
    const refused = String(refusal.reason);
    if (gnu) return { outcome: `both refuse it: ${refused}` };
    return { outcome: `refused by decision: ${refused}`, refused, fault: refusal.message };
  }
  if (gnu) return { outcome: 'stored by decision, where GNU tar fails', fault: gnu.message };
  const { agent, other } = treesOf(directory, since);
  const found = differences(agent, other);
  if (found.length === 0) return { outcome: 'equal' };
  return { outcome: 'stored, and differs by decision', fault: found.slice(0, 5).join('\n  ') };
}

describe.skipIf(unable)(unable ? `a corpus of archives (skipped: ${unable})` : 'a corpus of archives', () => {
  test(
    'is stored as GNU tar unpacks it as root, or refused, or differs by decision',
    { timeout: 600_000 },
    async () => {
      const directory = temporaryFileSystem('size=2g');
      const work = join(directory, 'work');
      mkdirSync(work);
      const all = archives(work);
      expect(all.length).toBeGreaterThanOrEqual(150);
      const counts: Record<string, number> = {};
      const faults: string[] = [];
      const differing = new Set<string>();
      for (const { name, bytes } of all) {
        const { outcome, refused, fault } = await compared(directory, bytes);
        const decision = deliberate.find(({ archive }) => archive.test(name));
        if (fault !== undefined) differing.add(name);
        if (fault !== undefined && (!decision || decision.refused !== refused)) faults.push(`${name}: ${fault}`);
        counts[outcome] = (counts[outcome] ?? 0) + 1;
      }
      console.log(`${all.length} archives`, counts);
      expect(faults).toEqual([]);
      // Nothing is in the list that does not differ.
      const unused = deliberate.filter(({ archive }) => ![...differing].some((name) => archive.test(name)));
      expect(unused).toEqual([]);
    },
  );
});

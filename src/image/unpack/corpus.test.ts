import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { archives } from '../../../test/fixtures/agent/corpus/archives.ts';
import type { Archive } from '../../../test/fixtures/agent/corpus/archives.ts';
import { differences, sides, stored, treesOf, unpackedByGnuTar } from '../../../test/fixtures/agent/corpus/compare.ts';
import type { Refusal } from '../../../test/fixtures/agent/corpus/compare.ts';
import { startContainerd } from '../../../test/fixtures/agent/corpus/containerd.ts';
import { deliberate, deliberateForImages } from '../../../test/fixtures/agent/corpus/deliberate.ts';
import type { Difference } from '../../../test/fixtures/agent/corpus/deliberate.ts';
import { mutations } from '../../../test/fixtures/agent/corpus/mutations.ts';
import { images } from '../../../test/fixtures/agent/corpus/images.ts';
import type { Image } from '../../../test/fixtures/agent/corpus/images.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { dice } from '../../../test/fixtures/agent/random.ts';
import { binaryDirectory, missingBinaries } from '../../../test/fixtures/binaries.ts';

const unable = whyNoUnpacking();
const missing = missingBinaries('containerd', 'ctr');
const withoutContainerd = unable ?? (missing.length > 0 ? `needs ${missing.join(', ')}` : undefined);

interface Outcome {
  outcome: string;
  refused?: string;
  /** How it differs, if it does. */
  fault?: string;
}

/** What came of one of the corpus; `found` are the differences of both trees, where there are two. */
function judge(ours: Refusal | undefined, theirs: Refusal | undefined, found: readonly string[]): Outcome {
  if (ours) {
    const refused = String(ours.reason);
    if (theirs) return { outcome: `both refuse it: ${refused}` };
    return { outcome: `refused by decision: ${refused}`, refused, fault: ours.message };
  }
  if (theirs) return { outcome: 'stored by decision, where the other fails', fault: theirs.message };
  if (found.length === 0) return { outcome: 'equal' };
  return { outcome: 'stored, and differs by decision', fault: found.slice(0, 5).join('\n  ') };
}

/** Compares all, prints counts by outcome, and expects that exactly those differ that are in the list. */
async function compareAll<T extends { name: string }>(
  all: readonly T[],
  list: readonly Difference[],
  compare: (one: T, since: bigint) => Promise<Outcome>,
): Promise<void> {
  // What containerd has unpacked it does not unpack again for another image.
  const since = BigInt(Date.now() - 1000) * 1_000_000n;
  const counts: Record<string, number> = {};
  const faults: string[] = [];
  const differing: string[] = [];
  for (const one of all) {
    const { outcome, refused, fault } = await compare(one, since);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (fault === undefined) continue;
    differing.push(one.name);
    const decision = list.find(({ archive }) => archive.test(one.name));
    if (!decision || decision.refused !== refused) faults.push(`${one.name}: ${fault}`);
  }
  console.log(`${all.length} of the corpus`, counts);
  expect(faults).toEqual([]);
  expect(list.filter(({ archive }) => !differing.some((name) => archive.test(name)))).toEqual([]);
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
      await compareAll<Archive>(all, deliberate, async ({ bytes }, since) => {
        const ours = await stored(directory, 'archive', [bytes]);
        const theirs = unpackedByGnuTar(directory, bytes);
        const { agent, other } = ours || theirs ? { agent: {}, other: {} } : treesOf(directory, since);
        return judge(ours, theirs, differences(agent, other));
      });
    },
  );
});

describe.skipIf(unable)(unable ? `mutations of the corpus (skipped: ${unable})` : 'mutations of the corpus', () => {
  test('are stored as GNU tar unpacks them as root, or refused by one of the two', { timeout: 600_000 }, async () => {
    const directory = temporaryFileSystem('size=1g');
    const findings: string[] = [];
    // hack/fuzz takes others, and more of them.
    for (let seed = 1; seed <= 60; seed++)
      await mutations
        .probe(dice(seed), directory)
        .catch((error: unknown) => findings.push(`${seed}: ${String(error)}`));
    expect(findings).toEqual([]);
  });
});

describe.skipIf(withoutContainerd)(
  withoutContainerd ? `a corpus of images (skipped: ${withoutContainerd})` : 'a corpus of images',
  () => {
    test('is stored as containerd unpacks it, or refused, or differs by decision', { timeout: 600_000 }, async () => {
      const directory = temporaryFileSystem('size=2g');
      const containerd = await startContainerd(binaryDirectory(), join(directory, 'containerd'));
      try {
        await compareAll<Image>(images(), deliberateForImages, async ({ layers }, since) => {
          const ours = await stored(directory, 'layers', layers.map(({ bytes }) => bytes)); // prettier-ignore
          let found: string[] = [];
          const theirs = containerd.unpack(layers, sides(directory).other, () => {
            if (ours) return;
            const { agent, other } = treesOf(directory, since);
            found = differences(agent, other);
          });
          return judge(ours, theirs, found);
        });
      } finally {
        await containerd.stop();
      }
    });
  },
);

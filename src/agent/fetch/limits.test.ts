import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundleLife } from '../../../test/fixtures/agent/bundle.ts';
import { rootEntries } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import type { LimitsLife } from '../../../test/fixtures/agent/limits-life.ts';
import { readDeployed, runLimits, serveArchives, writeArchive } from '../../../test/fixtures/agent/limits.ts';

const unable = whyNoUnpacking();
/** The agent of an earlier version died of 85,000 at its second version. */
const files = 100_000;

/** Files that differ in nothing that can be seen without reading them, and another one in each version. */
function* alike(version: number): Generator<TarEntry> {
  yield* rootEntries();
  for (let i = 0; i < files; i++) {
    const number = String(i).padStart(6, '0');
    if (i % 1000 === 0) yield { name: `usr/share/${number}/`, type: 'directory' };
    const directory = String(i - (i % 1000)).padStart(6, '0');
    yield { name: `usr/share/${directory}/a-name-of-ordinary-length-${number}`, content: number };
  }
  yield { name: 'usr/version', content: String(version) };
}

describe.skipIf(unable)(unable ? `limits (skipped: ${unable})` : 'limits', () => {
  test(
    `an agent with the flags and the memory of deploy/agent.yaml gets along with ${files} files that look the same`,
    {
      timeout: 600_000,
    },
    async () => {
      const program = await bundleLife(temporaryDirectory(), 'limits-life.ts');
      const disk = temporaryFileSystem('size=4g');
      const archives = [1, 2].map((version) => join(disk, `v${version}.tar.zst`));
      for (const [index, file] of archives.entries()) await writeArchive(file, alike(index + 1));
      const { images, stop } = await serveArchives(archives);
      try {
        const verifications: LimitsLife['verifications'] = ['look at', 'read'];
        const life = { root: join(disk, 'monoroot'), images, verifications };
        const deployed = readDeployed();
        const { steps, ended, stderr, peakBytes = 0 } = await runLimits(program, life, deployed);
        console.log(steps.map(({ step, outcome, seconds, delays }) => `${step}: ${outcome}; ${seconds} s, ${delays.longest} ms`).join('\n')); // prettier-ignore
        expect({ ended, stderr }).toEqual({ ended: true, stderr: '' });
        expect(peakBytes).toBeLessThan(deployed.memoryBytes);
        const outcomeOf = (name: string) => steps.find(({ step }) => step === name)?.outcome;
        expect(outcomeOf('store v1')).toMatch(/^100115 files, .* 0 shared$/);
        expect(outcomeOf('store v2')).toMatch(/^100115 files, .* 409608192 shared$/);
        for (const step of ['read v1', 'look at v2', 'read v2']) expect(outcomeOf(step)).toBe('unchanged');
        expect(outcomeOf('remove v2')).toBe('removed');
      } finally {
        await stop();
      }
    },
  );
});

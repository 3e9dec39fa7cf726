import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { entryPath } from '../store/paths.ts';
import { syncDirectory, syncFileSystem } from '../store/sync.ts';
import { verifyEntry } from '../store/verify.ts';
import { copyOfDisk, cutPower, discard, newDisk, unmount, whyNoDisk } from '../../../test/fixtures/agent/disk.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { expectRecovery, halfDone, os, sceneIn, wholeVersions } from '../../../test/fixtures/agent/scene.ts';
import { bundleLife } from '../../../test/fixtures/agent/bundle.ts';
import { runUntil, whyNoTracing } from '../../../test/fixtures/agent/traced.ts';

const unable = whyNoUnpacking() ?? whyNoTracing() ?? whyNoDisk();
const atOnce = 4;

/** The last renames of a life: v2 is published, v1 goes to the trash, its deletion is counted, v0 goes to the trash, v0 comes back. */
const publication = -5;
const nextRemoval = -2;

/** Where a cut may find something half durable: at all renames, syncs and removals of the agent, and here and there between. */
function pointsOf(steps: readonly string[]): number[] {
  const numbers = steps.map((_, i) => i + 1);
  return numbers.filter(
    (n) => /^(agent|sync) (rename|fsync|syncfs|unlink|rmdir)$/.test(steps[n - 1] ?? '') || n % 12 === 1,
  );
}

const indexesOf = (steps: readonly string[], name: string) => steps.flatMap((step, i) => (step === name ? [i] : []));

describe.skipIf(unable)(unable ? `a power cut (skipped: ${unable})` : 'a power cut', () => {
  let program: string;
  beforeAll(async () => {
    const bundled = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    program = await bundleLife(bundled, 'life.ts');
    return () => void execFileSync('rm', ['-rf', bundled]);
  });

  test('takes what was not synced, and only that', async () => {
    const directory = temporaryFileSystem();
    const disk = newDisk(join(directory, 'disk'));
    const write = (name: string) => {
      mkdirSync(join(disk.path, name));
      writeFileSync(join(disk.path, name, 'new'), 'content');
      renameSync(join(disk.path, name, 'new'), join(disk.path, name, 'file'));
    };
    write('synced');
    await syncFileSystem(disk.path, signal);
    write('only-its-directory');
    await syncDirectory(join(disk.path, 'only-its-directory'));
    write('not-synced');
    cutPower(disk);
    expect(() => write('too-late')).toThrow('EIO');
    const { path } = copyOfDisk(disk, join(directory, 'after'));
    expect(readdirSync(path).sort()).toEqual(['lost+found', 'only-its-directory', 'synced']);
    expect(readFileSync(join(path, 'synced/file'), 'utf8')).toBe('content');
    expect(readFileSync(join(path, 'only-its-directory/file'), 'utf8')).toBe('');
  });

  test('at any rename or sync leaves whole images, and those that were stored', { timeout: 240_000 }, async () => {
    const directory = temporaryFileSystem();
    const template = newDisk(join(directory, 'template'));
    const store = await halfDone(join(template.path, 'monoroot'));
    unmount(template);

    const cutAfter = async (number: number) => {
      const disk = copyOfDisk(template, join(directory, `cut-${number}`));
      const { life } = sceneIn(join(disk.path, 'monoroot'), store);
      const ended = await runUntil(program, life, number, () => cutPower(disk));
      if (!ended.killed) cutPower(disk);
      const copy = copyOfDisk(disk, join(directory, `after-${number}`));
      discard(disk);
      const scene = sceneIn(join(copy.path, 'monoroot'), store);
      for (const version of await wholeVersions(scene)) {
        expect(
          await verifyEntry(entryPath(scene, { os, version }), true, temporaryFileSystem(), signal),
        ).toBeUndefined();
      }
      const found = await expectRecovery(scene);
      discard(copy);
      return { ...ended, found };
    };

    const through = await cutAfter(Infinity);
    expect(through).toMatchObject({ output: 'Stored', stderr: '', found: ['v0', 'v2'] });
    const renames = indexesOf(through.steps, 'agent rename').length;
    /** The steps after one of the last renames; undefined before it. */
    const after = (steps: readonly string[], rename: number) => {
      const at = indexesOf(steps, 'agent rename')[renames + rename];
      return at === undefined ? undefined : steps.slice(at + 1);
    };
    const points = pointsOf(through.steps);
    const outcomes: string[] = [];
    let lost = 0;
    for (let first = 0; first < points.length; first += atOnce) {
      // Also when one fails the others come to their end, so that nothing is mounted after the test.
      for (const cut of await Promise.allSettled(points.slice(first, first + atOnce).map(cutAfter))) {
        if (cut.status === 'rejected') throw cut.reason;
        const { steps, killed, found } = cut.value;
        expect(killed).toBe(true);
        outcomes.push(`${steps.at(-1)} (${found.join(' ')})`);
        const published = after(steps, publication);
        // It was there when the power went, but no status said so.
        if (published?.length === 0 && !found.includes('v2')) lost += 1;
        // It was reported, as the agent had gone on to something else.
        if (published?.some((step) => step !== 'agent fsync')) expect(found).toContain('v2');
        if (!found.includes('v2')) expect(found).toContain('v1');
        if (after(steps, nextRemoval)) expect(found).not.toContain('v1');
      }
    }
    console.log(`Cut the power after ${points.length} of ${through.steps.length} steps: ${outcomes.join(', ')}`);
    expect(points.length).toBeGreaterThan(15);
    expect(lost).toBe(1);
  });
});

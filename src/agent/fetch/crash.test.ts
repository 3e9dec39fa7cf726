import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { entryPath, storePaths } from '../store/paths.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { expectRecovery, halfDone, os, sceneIn, wholeVersions } from '../../../test/fixtures/agent/scene.ts';
import { bundleLife } from '../../../test/fixtures/agent/bundle.ts';
import { runUntil, runWithFault, whyNoTracing } from '../../../test/fixtures/agent/traced.ts';

const unable = whyNoUnpacking() ?? whyNoTracing();

describe.skipIf(unable)(unable ? `a crash (skipped: ${unable})` : 'a crash', () => {
  let program: string;
  let bundled: string;
  beforeAll(async () => {
    bundled = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    program = await bundleLife(bundled, 'life.ts');
    return () => void execFileSync('rm', ['-rf', bundled]);
  });

  /** Makes as many scenes in copies of one store as are asked for. */
  async function scenes() {
    const directory = temporaryFileSystem();
    const template = join(directory, 'template');
    const store = await halfDone(template);
    return (name: string) => {
      const root = join(directory, name);
      execFileSync('cp', ['-a', template, root]);
      // A directory in memory lists first what came last: so a deletion would meet the tree before its image.json.
      const tree = join(entryPath(storePaths(root), { os, version: 'v1' }), 'root');
      renameSync(tree, `${tree}.new`);
      renameSync(`${tree}.new`, tree);
      return sceneIn(root, store);
    };
  }

  test('after any step leaves whole images or nothing', { timeout: 480_000 }, async () => {
    const make = await scenes();
    const atOnce = 4;
    let all: string[] = [];
    for (let first = 1, through = false; !through; first += atOnce) {
      const runs = Array.from({ length: atOnce }, async (_, i) => {
        const scene = make(`step-${first + i}`);
        const ended = await runUntil(program, scene.life, first + i);
        if (!ended.killed) expect(ended).toMatchObject({ output: 'Stored', stderr: '' });
        await expectRecovery(scene);
        execFileSync('rm', ['-rf', scene.root]);
        return ended;
      });
      for (const { steps, killed } of await Promise.all(runs)) {
        through ||= !killed;
        if (steps.length > all.length) all = steps;
      }
    }
    console.log(`Killed the agent after each of ${all.length} steps: ${all.join(', ')}`);
    expect(all.length).toBeGreaterThan(40);
    for (const step of ['agent mkdir', 'bsdtar mkdir', 'sync syncfs', 'agent fsync', 'agent rename', 'rm unlinkat']) {
      expect(all).toContain(step);
    }
  });

  const staged = 'staging/debian-12.v2.id1';
  /** Calls that may need room; of those that are made all the time, only for the one file. */
  test.each<[call: string, file: string]>([
    ['mkdir', ''],
    ['symlink', ''],
    ['linkat', ''],
    ['mknodat', ''],
    ['rename', ''],
    ['fsync', ''],
    ['syncfs', ''],
    ['chmod', ''],
    ['write', `${staged}/tree/root/usr/bin/hello`],
    ['write', `${staged}/entry/mount.sh`],
    ['write', `${staged}/entry/image.json`],
    ['openat', `${staged}/entry/mount.sh`],
    ['openat', `${staged}/entry/image.json`],
  ])('of the disk, full at any %s %s, leaves nothing of the image', { timeout: 120_000 }, async (call, file) => {
    const make = await scenes();
    const outcomes: string[] = [];
    for (let number = 1, through = false; !through; number++) {
      const scene = make(`${call}-${number}`);
      const { root, fetch } = scene.life;
      const fault = ['-e', `trace=${call}`, '-e', `inject=${call}:error=ENOSPC:when=${number}`];
      const at = file === '' ? [] : ['-P', join(root, file)];
      const ended = await runWithFault(program, { root, fetch }, ...fault, ...at);
      through = ended.steps.length === 0;
      outcomes.push(ended.output);
      const versions = await wholeVersions(scene);
      if (through) expect(ended).toMatchObject({ output: 'Stored', stderr: '' });
      else if (ended.output === '') expect(ended.stderr).toContain('ENOSPC');
      else expect(ended.output).toMatch(/^(NoSpace|Stored)$/);
      // An agent that could not even start has nothing cleaned up; the next one will.
      if (ended.output !== '') expect(await readdir(scene.staging)).toEqual([]);
      if (ended.output === 'Stored') expect(versions).toContain('v2');
      await expectRecovery(scene);
      execFileSync('rm', ['-rf', root]);
    }
    console.log(`${call} ${file}: ${outcomes.map((it) => it || 'did not start').join(', ')}`);
    expect(outcomes).toContain('NoSpace');
  });

  test.each(['rename', 'fsync', 'unlink', 'unlinkat', 'rmdir', 'mkdir'])(
    'of the disk, broken at any %s of a removal, loses no image that is in use',
    { timeout: 120_000 },
    async (call) => {
      const make = await scenes();
      let faults = 0;
      // Of many equal ones, such as the deletion of files, ever fewer are tried.
      for (let number = 1, through = false; !through; number += Math.ceil(number / 3)) {
        const scene = make(`${call}-${number}`);
        const { root, remove, removeUsed } = scene.life;
        const fault = ['-e', `trace=${call}`, '-e', `inject=${call}:error=EIO:when=${number}`];
        const ended = await runWithFault(program, { root, remove, removeUsed }, ...fault);
        through = ended.steps.length === 0;
        faults += ended.steps.length;
        if (through) expect(await wholeVersions(scene)).toEqual(['v0']);
        await expectRecovery(scene);
        execFileSync('rm', ['-rf', root]);
      }
      expect(faults).toBeGreaterThan(0);
    },
  );
});

import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { WantedImage } from '../api/nodestore.ts';
import { fetchImage } from './fetch.ts';
import { listStore } from './store/list.ts';
import { entryPath, storePaths } from './store/paths.ts';
import type { StorePaths } from './store/paths.ts';
import { moveToTrash, prepareStore } from './store/remove.ts';
import { rootEntries, tar } from './testing/archive.ts';
import { temporaryFileSystem, whyNoUnpacking } from './testing/environment.ts';
import { signal, wantedBytes } from './testing/fetching.ts';
import { fetchPorts } from './testing/images.ts';
import { live } from './testing/life.ts';
import type { Life } from './testing/life.ts';
import { manifestOf } from './testing/manifest.ts';
import type { Manifest } from './testing/manifest.ts';
import { bundleLife, runUntil, runWithFault, whyNoTracing } from './testing/traced.ts';

const unable = whyNoUnpacking() ?? whyNoTracing();
const os = 'debian-12';
const archive = tar([
  { name: 'root/', type: 'directory' },
  ...rootEntries('root/'),
  { name: 'root/etc/hosts', type: 'hardlink', link: 'root/etc/os-release' },
  { name: 'root/dev/null', type: 'character', device: [1, 3] },
  { name: 'mount.sh', content: 'true' },
]);

/** What is in a life: v0 is nearly lost in the trash, v1 goes, v2 comes, and then v0 stays because a Pod comes. */
interface Scene extends StorePaths {
  life: Required<Life>;
}

/** A store as a killed agent left it: v1 is whole, v0 was just moved to the trash, another one is half deleted, another half made. */
async function template(): Promise<{ directory: string; wanted: WantedImage; tree: Manifest }> {
  const directory = temporaryFileSystem();
  const paths = storePaths(join(directory, 'template'));
  await prepareStore(paths);
  const ports = { ...(await fetchPorts()), paths };
  const wanted = await wantedBytes(archive);
  for (const version of ['v0', 'v1']) await fetchImage({ ...wanted, version }, ports, signal);
  const tree = treeOf(paths, 'v1');
  await moveToTrash(paths, { os, version: 'v0' }, 'before');
  for (const path of [join(paths.trash, 'half-deleted/root'), join(paths.staging, 'half-made/tree/usr')]) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), 'x');
  }
  return { directory, wanted: { ...wanted, version: 'v2' }, tree };
}

const treeOf = (paths: StorePaths, version: string) => manifestOf(join(entryPath(paths, { os, version }), 'root'));

describe.skipIf(unable)(unable ? `a crash (skipped: ${unable})` : 'a crash', () => {
  let program: string;
  let bundled: string;
  beforeAll(async () => {
    bundled = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    program = await bundleLife(bundled);
    return () => void execFileSync('rm', ['-rf', bundled]);
  });

  async function scenes() {
    const { directory, wanted, tree } = await template();
    const make = (name: string): Scene => {
      const root = join(directory, name);
      execFileSync('cp', ['-a', join(directory, 'template'), root]);
      // A directory in memory lists first what came last: so a deletion would meet the tree before its image.json.
      const tree = join(entryPath(storePaths(root), { os, version: 'v1' }), 'root');
      renameSync(tree, `${tree}.new`);
      renameSync(`${tree}.new`, tree);
      const image = (version: string) => ({ os, version });
      return { ...storePaths(root), life: { root, fetch: wanted, remove: image('v1'), removeUsed: image('v0') } };
    };
    /** Whatever is in the store is whole. Gives the versions. */
    const wholeVersions = async (paths: StorePaths) => {
      const { images, broken } = await listStore(paths);
      expect(broken).toEqual([]);
      const versions = images.map(({ version }) => version).sort();
      for (const version of versions) {
        expect(treeOf(paths, version)).toEqual(tree);
        expect(await readFile(join(entryPath(paths, { os, version }), 'mount.sh'), 'utf8')).toBe('true');
      }
      return versions;
    };
    const expectEmpty = async ({ staging, trash }: StorePaths) =>
      expect([await readdir(staging), await readdir(trash)]).toEqual([[], []]);
    /** The next agent finds whole images, loses none that has to stay, and comes to the same end. */
    const expectRecovery = async (scene: Scene) => {
      await wholeVersions(scene);
      await prepareStore(scene);
      await expectEmpty(scene);
      const versions = await wholeVersions(scene);
      expect(versions).toContain('v0');
      const { fetch, remove, ...life } = scene.life;
      await live({
        ...life,
        ...(!versions.includes('v2') && { fetch }),
        ...(versions.includes('v1') && { remove }),
      });
      expect(await wholeVersions(scene)).toEqual(['v0', 'v2']);
      await expectEmpty(scene);
    };
    return { make, wholeVersions, expectEmpty, expectRecovery };
  }

  test('after any step leaves whole images or nothing', { timeout: 240_000 }, async () => {
    const { make, expectRecovery } = await scenes();
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
    const { make, wholeVersions, expectRecovery } = await scenes();
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
      const { make, wholeVersions, expectRecovery } = await scenes();
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

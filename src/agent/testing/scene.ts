import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { WantedImage } from '../../api/nodestore.ts';
import { fetchImage } from '../fetch/fetch.ts';
import { listStore } from '../store/list.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import type { StorePaths } from '../store/paths.ts';
import { deleteTrashed, moveToTrash, prepareStore } from '../store/remove.ts';
import { rootEntries, tar } from './archive.ts';
import { signal, wantedBytes } from './fetching.ts';
import { fetchPorts } from './images.ts';
import { live } from './life.ts';
import type { Life } from './life.ts';
import { manifestOf } from './manifest.ts';
import type { Manifest } from './manifest.ts';

export const os = 'debian-12';

const entries = [
  { name: 'root/', type: 'directory' as const },
  ...rootEntries('root/'),
  { name: 'root/etc/hosts', type: 'hardlink' as const, link: 'root/etc/os-release' },
  { name: 'root/dev/null', type: 'character' as const, device: [1, 3] as [number, number] },
  { name: 'mount.sh', content: 'true' },
];
const archive = tar(entries);
/** With files that no earlier version has, so that they are not shared. */
const nextArchive = tar([
  ...entries,
  { name: 'root/usr/lib/new', content: 'new\n'.repeat(50_000) },
  { name: 'root/etc/new', content: 'new' },
]);

/** What a test needs to know of a store in which there is much to do. */
export interface Store {
  /** What shall come into it. */
  wanted: WantedImage;
  /** What each version is when it is whole. */
  trees: Record<string, Manifest>;
}

/** What is in a life: v0 is nearly lost in the trash, v1 goes, v2 comes, and then v0 stays because a Pod comes. */
export interface Scene extends StorePaths {
  life: Required<Life>;
  trees: Store['trees'];
}

/** A store as a killed agent left it: v1 is whole, v0 was just moved to the trash, another one is half deleted, another half made. */
export async function halfDone(root: string): Promise<Store> {
  const paths = storePaths(root);
  await prepareStore(paths);
  const ports = { ...(await fetchPorts()), paths };
  const [old, next] = [await wantedBytes(archive), await wantedBytes(nextArchive)];
  const wanted = { ...next, version: 'v2' };
  for (const image of [{ ...old, version: 'v0' }, { ...old, version: 'v1' }, wanted]) {
    await fetchImage(image, ports, signal);
  }
  const trees = Object.fromEntries(['v0', 'v1', 'v2'].map((version) => [version, treeOf(paths, version)]));
  await deleteTrashed(paths, wanted, await moveToTrash(paths, wanted, 'never-there'));
  await moveToTrash(paths, { os, version: 'v0' }, 'before');
  for (const path of [join(paths.trash, 'half-deleted/root'), join(paths.staging, 'half-made/tree/usr')]) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), 'x');
  }
  return { wanted, trees };
}

/** A life in a copy of that store. */
export function sceneIn(root: string, { wanted, trees }: Store): Scene {
  const image = (version: string) => ({ os, version });
  return { ...storePaths(root), trees, life: { root, fetch: wanted, remove: image('v1'), removeUsed: image('v0') } };
}

/** Whatever is in the store is whole. Gives the versions. */
export async function wholeVersions(scene: Scene): Promise<string[]> {
  const { images, broken } = await listStore(scene);
  expect(broken).toEqual([]);
  const versions = images.map(({ version }) => version).sort();
  for (const version of versions) {
    expect(treeOf(scene, version)).toEqual(scene.trees[version]);
    expect(await readFile(join(entryPath(scene, { os, version }), 'mount.sh'), 'utf8')).toBe('true');
  }
  return versions;
}

/** The next agent finds whole images, loses none that has to stay, and comes to the same end. Gives what it found. */
export async function expectRecovery(scene: Scene): Promise<string[]> {
  await wholeVersions(scene);
  await prepareStore(scene);
  await expectEmpty(scene);
  const found = await wholeVersions(scene);
  expect(found).toContain('v0');
  const { fetch, remove, ...life } = scene.life;
  const rest = { ...life, ...(!found.includes('v2') && { fetch }), ...(found.includes('v1') && { remove }) };
  expect(await live(rest)).toBe('Stored');
  expect(await wholeVersions(scene)).toEqual(['v0', 'v2']);
  await expectEmpty(scene);
  return found;
}

async function expectEmpty({ staging, trash }: StorePaths): Promise<void> {
  expect([await readdir(staging), await readdir(trash)]).toEqual([[], []]);
}

const treeOf = (paths: StorePaths, version: string) => manifestOf(join(entryPath(paths, { os, version }), 'root'));

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { storedImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { readDeaths } from './begun.ts';
import { writeImageFile } from './image-file.ts';
import { listStore } from './list.ts';
import { entryPath } from './paths.ts';
import type { StorePaths } from './paths.ts';
import { publish } from './commit.ts';
import { moveToTrash, prepareStore, settleTrash } from './remove.ts';
import { withScratch } from './scratch.ts';

const image = { os: 'debian-12', version: 'v1' };

async function prepared(paths: StorePaths, name = 'x'): Promise<string> {
  const directory = join(paths.staging, name);
  await mkdir(join(directory, 'root'), { recursive: true });
  return directory;
}

const signal = new AbortController().signal;
const never = AbortSignal.abort();

/** Whether this file system has files that even root cannot remove. */
function canBeImmutable(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'monoroot-agent-'));
  try {
    return ['+i', '-i'].every((change) => spawnSync('chattr', [change, path]).status === 0);
  } finally {
    rmSync(path, { recursive: true });
  }
}

test('an image is in the store when it is published, and was not before', async () => {
  const { paths } = await fetchPorts();
  const directory = await prepared(paths);
  expect((await listStore(paths)).images).toEqual([]);
  await publish(paths, directory, storedImage(), signal);
  expect((await listStore(paths)).images).toEqual([storedImage()]);
  expect(await readdir(paths.staging)).toEqual([]);
});

test('what is in the store is never overwritten', async () => {
  const { paths } = await fetchPorts();
  await publish(paths, await prepared(paths), storedImage(), signal);
  const other = storedImage('v1', { digestOf: 'b' });
  await expect(publish(paths, await prepared(paths, 'y'), other, signal)).rejects.toThrow('exists already');
  expect((await listStore(paths)).images).toEqual([storedImage()]);
});

test('nothing is published after a stop', async () => {
  const { paths } = await fetchPorts();
  await expect(publish(paths, await prepared(paths), storedImage(), never)).rejects.toThrow('abort');
  expect((await listStore(paths)).images).toEqual([]);
});

test('an entry with a bad image.json, or that of another image, is broken', async () => {
  const { paths } = await fetchPorts();
  for (const version of ['v1', 'v2', 'v3']) await mkdir(entryPath(paths, { ...image, version }), { recursive: true });
  await writeFile(join(entryPath(paths, { ...image, version: 'v2' }), 'image.json'), '{');
  await writeImageFile(entryPath(paths, { ...image, version: 'v3' }), storedImage('v4'));
  const { images, broken } = await listStore(paths);
  expect([images, broken.map(({ version }) => version)]).toEqual([[], ['v1', 'v2', 'v3']]);
});

test('what is not named like an image is left alone', async () => {
  const { paths } = await fetchPorts();
  await mkdir(join(paths.store, 'lost+found'));
  await writeFile(join(paths.store, 'notes'), '');
  expect(await listStore(paths)).toEqual({ images: [], broken: [] });
});

test('a start removes what was being made or deleted, and keeps the store', async () => {
  const { paths } = await fetchPorts();
  await publish(paths, await prepared(paths), storedImage(), signal);
  await prepared(paths, 'half-made');
  await mkdir(join(paths.trash, 'half-deleted', 'root'), { recursive: true });
  await prepareStore(paths);
  expect([await readdir(paths.staging), await readdir(paths.trash)]).toEqual([[], []]);
  expect((await listStore(paths)).images).toEqual([storedImage()]);
});

test('a start puts back a whole image of which no one knew yet whether a Pod uses it', async () => {
  const { paths } = await fetchPorts();
  await publish(paths, await prepared(paths), storedImage(), signal);
  await moveToTrash(paths, image, 'x');
  expect((await listStore(paths)).images).toEqual([]);
  await prepareStore(paths);
  expect((await listStore(paths)).images).toEqual([storedImage()]);
});

test('a deletion is counted on the disk before it begins, and no longer when it has ended', async () => {
  const { paths } = await fetchPorts();
  await mkdir(join(paths.trash, 'half-deleted', 'root'), { recursive: true });
  const state = { ended: false };
  const done = settleTrash(paths, () => true).finally(() => (state.ended = true));
  const seen = new Set<number | undefined>();
  while (!state.ended) {
    if (existsSync(join(paths.root, 'begun-delete', 'half-deleted.json'))) {
      seen.add((await readDeaths(paths, 'delete')).get('half-deleted')?.deaths);
    }
    await setImmediate();
  }
  expect(await done).toEqual({ waiting: [], failures: [] });
  expect([...seen]).toContain(1);
  expect((await readDeaths(paths, 'delete')).size).toBe(0);
});

test.skipIf(!canBeImmutable())('what cannot be deleted ends no start, and keeps nothing else', async () => {
  const { paths } = await fetchPorts();
  const [stuck, other] = ['a-stuck', 'b-other'].map((name) => join(paths.trash, name));
  for (const path of [stuck, other]) await mkdir(join(path ?? '', 'root'), { recursive: true });
  const immutable = join(stuck ?? '', 'root');
  execFileSync('chattr', ['+i', immutable]);
  onTestFinished(() => void execFileSync('chattr', ['-i', immutable]));
  await prepareStore(paths);
  expect(await readdir(paths.trash)).toEqual(['a-stuck']);
  const { waiting, failures } = await settleTrash(paths, () => true);
  expect([waiting, failures.length]).toEqual([[], 1]);
  // It ended in order: no agent died of it.
  expect((await readDeaths(paths, 'delete')).size).toBe(0);
});

test('trees with paths longer than any program can use are removed', async () => {
  const { paths } = await fetchPorts();
  const directory = await prepared(paths);
  // Step by step, because no call takes such a path as a whole.
  const deep = `for (let i = 0; i < 50; i++) { fs.mkdirSync('d'.repeat(200)); process.chdir('d'.repeat(200)); }`;
  execFileSync(process.execPath, ['-e', deep], { cwd: directory });
  await prepareStore(paths);
  expect(await readdir(paths.staging)).toEqual([]);
});

test('lists that a killed process has left are gone as soon as another one begins, or an agent starts', async () => {
  const { paths } = await fetchPorts();
  const { pid } = spawnSync('true');
  const others = `scratch-${process.ppid}-x`;
  for (const name of [`scratch-${pid}-x`, others]) {
    await mkdir(join(paths.staging, name));
    await writeFile(join(paths.staging, name, 'sorted'), 'some lines');
  }
  const during = await withScratch(paths, () => readdir(paths.staging));
  expect(during.filter((name) => name !== others)).toEqual([expect.stringMatching(`^scratch-${process.pid}-`)]);
  expect(await readdir(paths.staging)).toEqual([others]);
  await prepareStore(paths);
  expect(await readdir(paths.staging)).toEqual([]);
});

import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkRemoval, removeImage } from './removal.ts';
import { usersOf } from './users.ts';
import type { StoreUser } from './users.ts';
import { writeImageFile } from '../store/image-file.ts';
import { listStore } from '../store/list.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import { storedImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';

const image = { os: 'debian-12', version: 'v1' };

const pod = (path: string): StoreUser => ({
  metadata: { namespace: 'a', name: 'b' },
  spec: { volumes: [{}, { hostPath: { path } }] },
});

/** A store with one image; the Pods are what the API server answers, one answer after the other. */
async function withImage(answers: (() => readonly StoreUser[])[]) {
  const { paths, now, uniqueId } = await fetchPorts();
  const entry = entryPath(paths, image);
  await mkdir(join(entry, 'root/usr'), { recursive: true });
  await writeImageFile(entry, storedImage());
  let asked = 0;
  const listPods = () => Promise.resolve().then(() => answers[Math.min(asked++, answers.length - 1)]?.() ?? []);
  const versions = async () => (await listStore(paths)).images.map(({ version }) => version);
  const inUse = [pod(join(entry, 'root/usr'))];
  return { ports: { paths, now, uniqueId, listPods }, versions, inUse, trash: () => readdir(paths.trash) };
}

test('a Pod uses an image when it mounts anything of it, and only then', () => {
  const paths = storePaths('/var/lib/monoroot');
  const uses = (path: string) => usersOf(image, paths, [pod(path)]);
  expect(uses('/var/lib/monoroot/store/debian-12/v1/root/usr')).toEqual(['a/b']);
  expect(uses('/var/lib/monoroot/store/debian-12/v1')).toEqual(['a/b']);
  expect(uses('/var/lib//monoroot/store/debian-12/v1/')).toEqual(['a/b']);
  expect(uses('/var/lib/monoroot/store/debian-12/v10/root/usr')).toEqual([]);
  expect(uses('/var/lib/monoroot/store/debian-12/v1.2/root/usr')).toEqual([]);
  expect(usersOf(image, paths, [{ metadata: { name: 'b' } }])).toEqual([]);
});

test('names that could lead out of the store are no names of images', () => {
  expect(() => entryPath(storePaths('/x'), { os: '..', version: 'v1' })).toThrow();
  expect(() => entryPath(storePaths('/x'), { os: 'debian', version: '../v1' })).toThrow();
});

test('an image that no Pod uses may leave, and goes', async () => {
  const { ports, versions, trash } = await withImage([() => []]);
  expect(await checkRemoval(image, ports)).toEqual({ phase: 'Deleting', removeTime: undefined });
  expect(await removeImage(image, ports)).toBeUndefined();
  expect([await versions(), await trash(), await readdir(ports.paths.store)]).toEqual([[], [], []]);
});

test('an image that a Pod uses stays, and the message names the Pod', async () => {
  const answers: (() => readonly StoreUser[])[] = [];
  const { ports, versions, inUse } = await withImage(answers);
  answers.push(() => inUse);
  expect(await checkRemoval(image, ports)).toMatchObject({
    phase: 'InUse',
    message: expect.stringContaining('Pod a/b') as string,
  });
  expect(await removeImage(image, ports)).toMatchObject({ phase: 'InUse' });
  expect(await versions()).toEqual(['v1']);
});

test('an image that a Pod begins to use at the last moment is put back', async () => {
  const answers: (() => readonly StoreUser[])[] = [() => []];
  const { ports, versions, inUse, trash } = await withImage(answers);
  answers.push(() => inUse);
  expect(await removeImage(image, ports)).toMatchObject({ phase: 'InUse' });
  expect([await versions(), await trash()]).toEqual([['v1'], []]);
});

test.each([
  ['at first', 0],
  ['at last', 1],
])('nothing goes when the API server cannot be asked %s', async (_name, failing) => {
  const answers = [() => [], () => []];
  answers[failing] = () => {
    throw new Error('connection refused');
  };
  const { ports, versions, trash } = await withImage(answers);
  await expect(removeImage(image, ports)).rejects.toThrow('connection refused');
  expect([await versions(), await trash()]).toEqual([['v1'], []]);
});

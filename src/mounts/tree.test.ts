import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTrees } from './tree.ts';

let root: string;
const tree = { os: 'debian-12', version: 'v2' };
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'monoroot-trees-'));
  const entry = join(root, 'debian-12/v2');
  mkdirSync(join(entry, 'root/usr/bin'), { recursive: true });
  mkdirSync(join(entry, 'root/srv'));
  writeFileSync(join(entry, 'root/usr/bin/tool'), '');
  symlinkSync('/etc', join(entry, 'root/out'));
  writeFileSync(join(entry, 'image.json'), JSON.stringify({ ...tree, digest: `sha256:${'ab'.repeat(32)}` }));
});
afterEach(() => rmSync(root, { recursive: true }));

test('the digest of an image is that of its image.json', () => {
  expect(readTrees(root).digestOf(tree)).toBe(`sha256:${'ab'.repeat(32)}`);
  expect(readTrees(root).digestOf({ os: 'debian-12', version: 'v3' })).toBeUndefined();
});

test.each([
  ['root/usr', 'Directory', false],
  ['root/srv', 'Directory', true],
  ['root/usr/bin/tool', 'File', false],
  ['root/none', 'Missing', true],
  ['root/usr/bin/tool/below', 'Missing', true],
])('%s is a %s', (path, kind, empty) => {
  expect(readTrees(root).look(tree, path)).toMatchObject({ kind, empty });
});

test('a link is nothing to mount, and nothing is found through one', () => {
  expect(readTrees(root).look(tree, 'root/out').kind).toBe('Other');
  expect(readTrees(root).look(tree, 'root/out/passwd').kind).toBe('Other');
});

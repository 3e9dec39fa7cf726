import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { directoryInside, readInside, resolveInside } from './rooted-path.ts';

function tree(): string {
  const root = temporaryDirectory();
  for (const path of ['usr/bin', 'etc', 'run']) mkdirSync(join(root, path), { recursive: true });
  for (const [path, target] of Object.entries({
    bin: 'usr/bin',
    absolute: '/usr',
    up: '../../../../../etc',
    outside: '/etc/passwd',
    loop: 'loop',
    'usr/back': '../etc',
    missing: '/nowhere/at/all',
  })) {
    symlinkSync(target, join(root, path));
  }
  return root;
}

test.each([
  ['a plain path', '/etc/motd', 'etc/motd'],
  ['a link on the way', '/bin/sh', 'usr/bin/sh'],
  ['an absolute link leads into the tree', '/absolute/bin/x', 'usr/bin/x'],
  ['a link that goes up stops at the top', '/up/passwd', 'etc/passwd'],
  ['a link over a link', '/absolute/back/x', 'etc/x'],
  ['dots', '/../../etc/./x', 'etc/x'],
  ['the last part is not followed', '/outside', 'outside'],
  ['what is not there yet', '/a/b/c', 'a/b/c'],
  ['where a link leads to nothing', '/missing/x', 'nowhere/at/all/x'],
])('%s', async (_name, path, expected) => {
  const root = tree();
  expect(await resolveInside(root, path)).toBe(join(root, expected));
});

test('the last part is followed when that is asked for, still inside of the tree', async () => {
  const root = tree();
  expect(await resolveInside(root, '/outside', { follow: true })).toBe(join(root, 'etc/passwd'));
  expect(await readInside(root, '/outside')).toBeUndefined();
  writeFileSync(join(root, 'etc/passwd'), 'of the tree');
  expect(await readInside(root, '/outside')).toBe('of the tree');
});

test('a loop is an error and does not go on for ever', async () => {
  await expect(resolveInside(tree(), '/loop/x')).rejects.toThrow('more than 40 links');
});

test('directories are made inside of the tree', async () => {
  const root = tree();
  expect(await directoryInside(root, '/missing/deep')).toBe(join(root, 'nowhere/at/all/deep'));
});

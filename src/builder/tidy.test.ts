import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../agent/testing/environment.ts';
import { recipeOf, workshop } from '../../test/fixtures/builder.ts';
import { tidy } from './tidy.ts';

function treeOf(files: Record<string, string>): string {
  const root = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const tidied = async (root: string, own: string[] = []) => {
  const files = own.map((path) => ({ path, content: 'x', mode: '0644', owner: 'root:root' }));
  await tidy({ root, recipe: recipeOf({ files }), ports: workshop().ports });
  return root;
};

test.each([
  ['dev/null', 'mount points of containers'],
  ['run/lock/x', 'mount points of containers'],
  ['tmp/x', 'temporary files'],
  ['var/lib/apt/lists/partial/x', 'lists of packages'],
  ['var/cache/apt/archives/x.deb', 'packages'],
  ['var/log/dpkg.log', 'logs of the build'],
  ['var/log/app/x.log.1', 'old logs'],
  ['var/cache/debconf/config.dat-old', 'copies of before'],
  ['var/lib/dpkg/status-old', 'copies of before'],
  ['etc/shadow-', 'copies of before'],
  ['var/cache/ldconfig/aux-cache', 'what knows the numbers of files on a disk'],
  ['etc/ssh/ssh_host_ed25519_key', 'private keys that every machine would have'],
  ['etc/ssh/ssh_host_ed25519_key.pub', 'keys that every machine would have'],
])('%s goes: %s', async (path) => {
  expect(existsSync(join(await tidied(treeOf({ [path]: 'x' })), path))).toBe(false);
});

test('what packages need stays: logs as empty files, directories of caches, the rest of /etc', async () => {
  const root = await tidied(
    treeOf({
      'var/log/nginx/error.log': 'x',
      'var/cache/apt/x': 'x',
      'etc/machine-id': 'abc',
      'etc/ssh/sshd_config': 'x',
    }),
  );
  expect(readFileSync(join(root, 'var/log/nginx/error.log'), 'utf8')).toBe('');
  expect(readFileSync(join(root, 'etc/machine-id'), 'utf8')).toBe('');
  expect(readFileSync(join(root, 'etc/ssh/sshd_config'), 'utf8')).toBe('x');
  expect(readdirSync(join(root, 'var/cache/apt'))).toEqual([]);
});

test('files of the recipe stay', async () => {
  const root = treeOf({ 'etc/ssh/ssh_host_rsa_key': 'x', 'etc/shadow-': 'x' });
  await tidied(root, ['/etc/ssh/ssh_host_rsa_key']);
  expect(existsSync(join(root, 'etc/ssh/ssh_host_rsa_key'))).toBe(true);
  expect(existsSync(join(root, 'etc/shadow-'))).toBe(false);
});

test('nothing outside of the tree is touched, wherever its links lead', async () => {
  const outside = temporaryDirectory();
  for (const name of ['dpkg.log', 'x-old', 'machine-id']) writeFileSync(join(outside, name), 'kept');
  const root = treeOf({ 'etc/x': 'x' });
  mkdirSync(join(root, 'var/cache'), { recursive: true });
  for (const path of ['tmp', 'dev', 'var/log', 'var/cache/debconf', 'run']) symlinkSync(outside, join(root, path));
  symlinkSync(join(outside, 'machine-id'), join(root, 'etc/machine-id'));
  await tidied(root);
  for (const name of ['dpkg.log', 'x-old', 'machine-id'])
    expect(readFileSync(join(outside, name), 'utf8')).toBe('kept');
});

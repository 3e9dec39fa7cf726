import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
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
  ['run/lock/x', 'what a process of the build left'],
  ['tmp/x', 'temporary files'],
  ['tmp/x/y', 'temporary files'],
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

test.each(['run/x/y', 'tmp/x/y', 'var/tmp/x/deep/er/y', 'dev/x/y', 'var/cache/apt/x/y', 'var/run/x/y'])(
  'a file of the recipe stays: %s, and what is beside it goes',
  async (path) => {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'run'));
    mkdirSync(join(root, 'var'));
    symlinkSync('/run', join(root, 'var/run'));
    const real = path.replace('var/run/', 'run/');
    for (const name of [real, join(dirname(real), 'other')]) {
      mkdirSync(join(root, dirname(name)), { recursive: true });
      writeFileSync(join(root, name), 'x');
    }
    await tidied(root, [`/${path}`]);
    expect(readdirSync(join(root, dirname(real)))).toEqual(['y']);
  },
);

test('directories of /run stay with their modes, without files, sockets and links', async () => {
  const root = treeOf({ 'run/php/php-fpm.pid': 'x', 'run/postgresql/a/lock': 'x' });
  mkdirSync(join(root, 'run/sshd'));
  chmodSync(join(root, 'run/sshd'), 0o700);
  symlinkSync('php', join(root, 'run/link'));
  await tidied(root);
  expect(readdirSync(join(root, 'run'), { recursive: true }).sort()).toEqual([
    'php',
    'postgresql',
    'postgresql/a',
    'sshd',
  ]);
  expect(statSync(join(root, 'run/sshd')).mode & 0o7777).toBe(0o700);
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

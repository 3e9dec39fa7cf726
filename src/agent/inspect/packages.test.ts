import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { shell } from '../../../test/fixtures/agent/trees.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { Packages } from './packages.ts';
import type { InstalledPackage } from '../../api/inspection.ts';
import { findInside, openInside } from '../../system/rooted-path.ts';

function tree(script: string): string {
  const root = join(temporaryDirectory(), 'root');
  mkdirSync(root);
  shell(root, script);
  return root;
}

/** Names as manifests have them. */
const inRoot = './root';

async function readPackages(root: string, mostCharacters?: number) {
  const most = mostCharacters === undefined ? {} : { mostCharacters };
  const read = new Packages({ scratch: temporaryDirectory(), signal, ...most });
  onTestFinished(() => read.close());
  await read.read(root);
  const packages: InstalledPackage[] = [];
  for await (const one of read.installed()) packages.push(one);
  const owners: [string, string][] = [];
  for await (const line of read.owners()) owners.push(line.split(' ') as [string, string]);
  return { packages, owners: Object.fromEntries(owners), records: read.records, notes: read.notes };
}

const named = ({ packages }: Awaited<ReturnType<typeof readPackages>>) =>
  packages.map(({ name, version, architecture }) => `${name} ${version} ${architecture}`);

test.each([
  ['nothing recorded', 'mkdir etc', [], []],
  [
    'dpkg: what is installed, not what has left its configuration',
    String.raw`mkdir -p var/lib/dpkg
      printf 'Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2-3\nConffiles:\n /etc/a 0\n\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n' >var/lib/dpkg/status`,
    ['a 1:2-3 all'],
    ['/var/lib/dpkg'],
  ],
  [
    'status.d of distroless images, without its checksums',
    String.raw`mkdir -p var/lib/dpkg/status.d
      printf 'Package: base\nVersion: 1\nArchitecture: amd64\n' >var/lib/dpkg/status.d/base
      printf 'Package: tzdata\nVersion: 2\nArchitecture: all\n' >var/lib/dpkg/status.d/tzdata
      printf 'Package: none\nVersion: 2\n' >var/lib/dpkg/status.d/base.md5sums`,
    ['base 1 amd64', 'tzdata 2 all'],
    ['/var/lib/dpkg'],
  ],
  [
    'apk, where /lib is a link too',
    String.raw`mkdir -p usr/lib/apk/db; ln -s usr/lib lib
      printf 'C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl.so\n\nP:busybox\nV:1.36-r2\nA:x86_64\n' >lib/apk/db/installed`,
    ['musl 1.2.5-r0 x86_64', 'busybox 1.36-r2 x86_64'],
    ['/usr/lib/apk/db'],
  ],
])('%s', async (_case, script, packages, records) => {
  const found = await readPackages(tree(script));
  expect([named(found), found.records, found.notes]).toEqual([packages, records, []]);
});

test('files belong to packages under the names that they have behind links at the top', async () => {
  const root = tree(String.raw`mkdir -p usr/bin usr/lib/apk/db var/lib/dpkg/info; ln -s usr/bin bin; ln -s usr/lib lib
    printf '/.\n/bin\n/bin/ls\n/usr/bin/env\n' >var/lib/dpkg/info/coreutils.list
    printf '/lib/libc.so.6\n' >var/lib/dpkg/info/libc6:amd64.list
    printf 'P:musl\nV:1\nF:lib\nR:ld.so\nF:\nR:top\n\n' >lib/apk/db/installed`);
  const { owners } = await readPackages(root);
  expect(owners).toMatchObject({
    [`${inRoot}/usr/bin/ls`]: 'coreutils',
    [`${inRoot}/usr/bin/env`]: 'coreutils',
    [`${inRoot}/usr/lib/libc.so.6`]: 'libc6',
    [`${inRoot}/usr/lib/ld.so`]: 'musl',
    [`${inRoot}/top`]: 'musl',
  });
});

test('a file belongs to its package under whatever bytes its name has', async () => {
  const root = tree(String.raw`mkdir -p var/lib/dpkg/info; printf '/usr/a b\377\n' >var/lib/dpkg/info/odd.list`);
  expect((await readPackages(root)).owners).toEqual({ [inRoot + String.raw`/usr/a\040b\377`]: 'odd' });
});

test('more packages than find room in memory are listed, in the order of the records', async () => {
  const root = tree(String.raw`mkdir -p var/lib/dpkg/info
    for i in $(seq 2000 -1 1); do printf "Package: p$i\nVersion: 1\nArchitecture: all\n\n"; done >var/lib/dpkg/status
    for i in $(seq 2000); do echo "/usr/share/p$i"; done >var/lib/dpkg/info/p1.list`);
  const found = await readPackages(root, 10_000);
  expect(found.packages.map(({ name }) => name)).toEqual(Array.from({ length: 2000 }, (_, i) => `p${2000 - i}`));
  expect(Object.keys(found.owners)).toHaveLength(2000);
});

test('an image may record what it likes: of names that are too long only the beginning is shown', async () => {
  const root = tree(String.raw`mkdir -p var/lib/dpkg
    printf 'Package: %s\nVersion: %s\nArchitecture: all\n' "$(printf %05000d 0)" "$(printf %05000d 1)" >var/lib/dpkg/status`);
  expect((await readPackages(root)).packages).toEqual([
    { name: '0'.repeat(256), version: '0'.repeat(256), architecture: 'all' },
  ]);
});

test('a database of rpm is named, as it is not read', async () => {
  const { packages, notes } = await readPackages(tree('mkdir -p var/lib/rpm; : >var/lib/rpm/rpmdb.sqlite'));
  expect(packages).toEqual([]);
  expect(notes).toEqual([expect.stringContaining('/var/lib/rpm/rpmdb.sqlite is a database of rpm')]);
});

test.each([
  ['an absolute link begins at the root of the image', 'mkdir var; printf in >var/x; ln -s /var/x link', 'in'],
  ['a link upwards ends at the root of the image', 'printf in >x; ln -s ../../../../x link', 'in'],
  ['a link to a file of the node is nothing', 'ln -s /etc/passwd link', undefined],
  ['a link through a directory link is followed', 'mkdir -p a/b; printf in >a/b/x; ln -s a/b c; ln -s c/x link', 'in'],
  ['links in a circle are nothing', 'ln -s link2 link; ln -s link link2', undefined],
  ['a pipe is no file, and is not waited for', 'mkfifo link', undefined],
  ['a directory is no file', 'mkdir link', undefined],
  ['a file in a file is nothing', 'printf x >x; ln -s x/y link', undefined],
])('hostile or odd: %s', async (_case, script, content) => {
  const file = await openInside(tree(script), 'link');
  expect(await file?.readFile('utf8')).toBe(content);
  await file?.close();
});

test('nothing leads out of the root', async () => {
  const root = tree('ln -s / up');
  expect(await findInside(root, 'up/../..')).toBe(root);
});

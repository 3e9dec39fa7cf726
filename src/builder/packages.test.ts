import { existsSync, lstatSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { changePackages, describePackages } from './packages.ts';
import { makeTree, recipeOf, whyNoChroot, workshop } from '../../test/fixtures/builder.ts';

const unable = whyNoChroot();

/** A package manager that writes down how it is called, and what it finds. */
const manager = `#!/bin/sh
{ echo "$0" "$@"; cat /etc/resolv.conf /usr/sbin/policy-rc.d; echo "$DEBIAN_FRONTEND $SOURCE_DATE_EPOCH $HOME $TMPDIR"; } >>/log
echo >/dev/null
case "$*" in *broken*) seq 1 30; echo "E: Unable to locate package broken"; exit 100 ;; esac
`;

function treeWith(...programs: string[]): string {
  const root = makeTree(temporaryDirectory());
  for (const program of programs) writeFileSync(join(root, program), manager, { mode: 0o755 });
  return root;
}

const change = (root: string, packages: { install?: string[]; remove?: string[] }, shop = workshop()) =>
  changePackages({ root, recipe: recipeOf({ packages }), ports: { ...shop.ports, resolvConf: '/etc/hostname' } });

describe.skipIf(unable)(unable ? `packages (skipped: ${unable})` : 'packages', () => {
  test('are installed and purged by apt, without questions, with name servers, and nothing is started', async () => {
    const root = treeWith('usr/bin/apt-get');
    await change(root, { install: ['nginx=1.22', 'procps'], remove: ['nano'] });
    const log = readFileSync(join(root, 'log'), 'utf8');
    const calls = log.split('\n').filter((line) => line.includes('apt-get'));
    expect(calls.map((line) => line.replace(/.* (update|install|purge)/, '$1'))).toEqual([
      'update',
      'install --no-install-recommends -- nginx=1.22 procps',
      'purge -- nano',
    ]);
    expect(log).toContain(readFileSync('/etc/hostname', 'utf8'));
    expect(log).toContain('exit 101');
    expect(log).toContain('noninteractive 1704067200 /root \n');
  });

  test.each([
    ['dnf', 'usr/bin/dnf', 'remove'],
    ['apk', 'sbin/apk', 'del'],
  ])('are changed by %s in a tree that has that', async (_name, program, verb) => {
    const root = treeWith(program);
    await change(root, { install: ['curl'], remove: ['nano'] });
    const log = readFileSync(join(root, 'log'), 'utf8');
    expect(log).toMatch(new RegExp(`(install|add).* curl\n`));
    expect(log).toMatch(new RegExp(`${verb}.* nano\n`));
  });

  test('leave nothing of the build in the tree, and what was there as it was', async () => {
    const root = treeWith('usr/bin/apt-get');
    symlinkSync('../run/resolv.conf', join(root, 'etc/resolv.conf'));
    const before = readdirSync(join(root, 'etc'));
    await change(root, { install: ['curl'] });
    expect(readdirSync(join(root, 'etc'))).toEqual(before);
    expect(lstatSync(join(root, 'etc/resolv.conf')).isSymbolicLink()).toBe(true);
    expect(existsSync(join(root, 'usr/sbin/policy-rc.d'))).toBe(false);
  });

  test('that cannot be had are reported with the last lines, and the tree is cleaned all the same', async () => {
    const root = treeWith('usr/bin/apt-get');
    const failure: unknown = await change(root, { install: ['broken'] }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      reason: 'PackagesFailed',
      message: expect.stringContaining('apt-get ended with 100') as unknown,
    });
    expect((failure as { lines: string[] }).lines).toHaveLength(20);
    expect((failure as { lines: string[] }).lines.at(-1)).toBe('E: Unable to locate package broken');
    expect(existsSync(join(root, 'etc/resolv.conf'))).toBe(false);
  });

  test('need a package manager', async () => {
    await expect(change(treeWith(), { install: ['curl'] })).rejects.toThrow('none of /usr/bin/apt-get, /usr/bin/dnf');
    await change(treeWith(), {});
  });
});

test('what is done to packages is reported in a few words', () => {
  expect(describePackages()).toBe('none asked for');
  expect(describePackages({ install: ['a', 'b'], remove: ['c'] })).toBe('installing a, b, removing c');
  expect(describePackages({ install: ['a', 'b', 'c', 'd', 'e'] })).toBe('installing 5 packages');
});

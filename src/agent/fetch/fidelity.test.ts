import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { fetchImage } from './fetch.ts';
import { entryPath } from '../store/paths.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { failure, signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { manifestOf } from '../../../test/fixtures/agent/manifest.ts';
import type { Manifest } from '../../../test/fixtures/agent/manifest.ts';

const tools = ['tar', 'getfattr', 'setfattr', 'setfacl', 'setcap'];
const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0);
const unable = whyNoUnpacking() ?? (missing.length > 0 ? `needs ${missing.join(', ')}` : undefined);

/** Of everything that a file system can hold, one of each. Times come last, from the leaves to the top. */
const build = String.raw`
set -eu
umask 022
mkdir -p usr/bin usr/lib/empty etc var/log tmp dev srv home
ln -s usr/bin bin
printf 'content' >usr/lib/plain
: >usr/lib/empty-file
for mode in 0000 0400 0644 0777 1644 2755 4755 6711; do printf %s $mode >usr/bin/mode-$mode; done
chown 4000000000:3000000000 usr/bin/mode-0644
chown 33:34 usr/bin/mode-4755 usr/bin/mode-2755 usr/bin/mode-6711
chmod 1777 tmp; chmod 2775 srv; chmod 0700 home; chown 1000:1000 home
for mode in 0000 0400 0644 0777 1644 2755 4755 6711; do chmod $mode usr/bin/mode-$mode; done
ln usr/lib/plain usr/lib/second-name; ln usr/lib/plain etc/third-name
ln -s /etc/hostname etc/absolute; ln -s ../../nowhere/at/all etc/dangling; ln -s "$(printf 'd/%.0s' $(seq 400))" etc/long
ln -s loop etc/loop; ln etc/dangling etc/second-link; chown -h 7:8 etc/absolute
mkfifo var/fifo; mknod dev/null c 1 3; mknod dev/disk b 8 1; ln var/fifo var/second-fifo; chmod 0666 dev/null
long=$(printf 'n%.0s' $(seq 255)); printf x >"usr/lib/$long"
deep=usr/lib; for i in 1 2 3 4; do deep=$deep/$(printf "$i%.0s" $(seq 100)); mkdir $deep; done; printf y >$deep/leaf; ln $deep/leaf $deep/twin
printf z >$'etc/ spaces  and\ttab '; printf z >'etc/new
line'; printf z >"$(printf 'etc/caf\351')"; ln -s "$(printf 'caf\351')" "$(printf 'etc/link-\377')"; printf z >'etc/-x'; printf z >'etc/back\slash\012'
printf z >etc/üñí-日本
truncate -s 32M var/hole; printf end | dd of=var/holes bs=1 seek=5000000 status=none; printf start | dd of=var/holes conv=notrunc status=none
dd if=/dev/urandom of=var/middle bs=64k count=1 seek=20 status=none; truncate -s 3M var/middle
dd if=/dev/zero of=var/zeros bs=64k count=4 status=none
cp usr/lib/plain usr/bin/ping; chown 0:5 usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
setfattr -n user.note -v "$(printf 'a\nb')" usr/lib/plain; setfattr -n user.binary -v 0x00ff0a usr/lib; setfattr -n user.empty usr/lib/empty-file
setfacl -m u:1234:rwx,g:5678:r-x etc/third-name; setfacl -m u:4000000:r var/log; setfacl -d -m g:5678:rwx,u:1234:--- var/log
find . -depth -exec touch -h -d '2024-05-06 07:08:09.123456789' {} +
touch -h -d '1965-01-02 03:04:05' etc/dangling; touch -d '@0' usr/lib/empty-file; touch -d '2106-01-02 03:04:05.000000001' var/fifo usr/lib/empty
`;

const gnu = ['--acls', '--xattrs', '--xattrs-include=*', '--numeric-owner'];
const bsd = ['--acls', '--xattrs', '--numeric-owner'];
/** How the archive is made; the oldest format knows neither attributes nor parts of a second. */
const formats: [name: string, command: string[]][] = [
  ['GNU tar, pax', ['tar', '--format=posix', '--sparse', ...gnu]],
  ['GNU tar, pax with sparse files as of 0.1', ['tar', '--format=posix', '--sparse', '--sparse-version=0.1', ...gnu]],
  ['GNU tar, gnu', ['tar', '--format=gnu', '--sparse', '--numeric-owner']],
  ['bsdtar, pax', ['bsdtar', '--format=pax', ...bsd]],
  ['bsdtar, gnutar', ['bsdtar', '--format=gnutar', ...bsd]],
];

/** What the agent, and whoever else, makes of the archive. */
async function restoreAll(create: readonly string[]) {
  const directory = temporaryDirectory();
  const path = (name: string) => join(directory, name);
  for (const name of ['source', 'gnu', 'bsd']) mkdirSync(path(name));
  execFileSync('bash', ['-c', build], { cwd: path('source'), stdio: ['ignore', 'ignore', 'inherit'] });
  const run = ([command = '', ...args]: readonly string[]) =>
    spawnSync(command, args, { cwd: directory, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' }, encoding: 'utf8' });
  const created = run([...create, '-cf', 'archive', '-C', 'source', '.']);
  if (created.status !== 0) throw new Error(created.stderr);
  const extracted = run(['tar', ...gnu, '--delay-directory-restore', '-xpf', 'archive', '-C', 'gnu']);
  if (extracted.status !== 0) throw new Error(extracted.stderr);
  // It exits with 1 when it only wonders about names that are no UTF-8.
  run(['bsdtar', ...bsd, '-xpf', 'archive', '-C', 'bsd']);
  const ports = await fetchPorts();
  const stored = await fetchImage(await desiredBytes(readFileSync(path('archive'))), ports, signal);
  return {
    source: withoutTop(manifestOf(path('source'))),
    gnuTar: withoutTop(manifestOf(path('gnu'))),
    bsdtar: withoutTop(manifestOf(path('bsd'))),
    agent: withoutTop(manifestOf(join(entryPath(ports.paths, stored), 'root'))),
  };
}

/** By decision the top directory has always the mode 0755: an archive's own could keep the runtime out of the tree. */
function withoutTop(manifest: Manifest): Manifest {
  const { '.': _top, ...rest } = manifest;
  return rest;
}

// Much is written and synced, perhaps beside others who do so.
vi.setConfig({ testTimeout: 60_000 });

describe.skipIf(unable)(unable ? `fidelity (skipped: ${unable})` : 'fidelity', () => {
  test.each(formats)('an archive of %s is restored as GNU tar and plain bsdtar do', async (_name, create) => {
    const { gnuTar, bsdtar, agent } = await restoreAll(create);
    expect(Object.keys(agent).length).toBeGreaterThan(50);
    expect(agent).toEqual(bsdtar);
    expect(agent).toEqual(gnuTar);
  });

  // GNU tar has no hard links of fifos, so the archive is one of bsdtar.
  test('what the pax format carries comes back as it was', async () => {
    const { source, agent } = await restoreAll(['bsdtar', '--format=pax', ...bsd]);
    expect(agent).toEqual(source);
  });

  test('ACLs that name users without their numbers are not dropped but refused, with a way out', async () => {
    const directory = temporaryDirectory();
    execFileSync('bash', ['-c', `mkdir usr etc bin; touch etc/f; setfacl -m u:daemon:r etc/f`], { cwd: directory });
    const archive = execFileSync('tar', ['--format=posix', '--acls', '-cC', directory, '.']);
    const { reason, message } = await failure(await desiredBytes(archive), await fetchPorts());
    expect(reason).toBe('UnsupportedArchive');
    expect(message).toContain('build it with bsdtar --acls');
    const numbered = execFileSync('bsdtar', ['--format=pax', '--acls', '-cC', directory, '.']);
    const ports = await fetchPorts();
    const stored = await fetchImage(await desiredBytes(numbered), ports, signal);
    const acl = execFileSync('getfacl', ['-np', join(entryPath(ports.paths, stored), 'root/etc/f')], {
      encoding: 'utf8',
    });
    expect(acl).toContain('user:1:r--');
  });

  test.each<[string, string[]]>([
    ['GNU tar with all attributes', ['--format=posix', '--xattrs', '--xattrs-include=*']],
    ['GNU tar with all attributes and ACLs by name', ['--format=posix', '--acls', '--xattrs', '--xattrs-include=*']],
  ])('ACLs that are written as attributes come back as they were: %s', async (_name, options) => {
    const directory = temporaryDirectory();
    const script = `mkdir usr etc bin; touch etc/f; setfacl -m u:daemon:rwx,g:5678:r etc/f; chmod 674 etc/f; setfacl -m u:1234:r,d:u:1234:rwx usr`;
    execFileSync('bash', ['-c', script], { cwd: directory });
    const archive = execFileSync('tar', [...options, '-cC', directory, '.']);
    const ports = await fetchPorts();
    const stored = await fetchImage(await desiredBytes(archive), ports, signal);
    const root = join(entryPath(ports.paths, stored), 'root');
    expect(withoutTop(manifestOf(root))).toEqual(withoutTop(manifestOf(directory)));
    expect(execFileSync('getfacl', ['-np', 'etc/f'], { cwd: root, encoding: 'utf8' })).toContain('user:1:rwx');
  });

  test('file flags are left out, by decision: an immutable file could not be deleted any more', async () => {
    const directory = temporaryDirectory();
    const flags = (path: string) => execFileSync('lsattr', ['-d', path], { encoding: 'utf8' }).split(' ')[0] ?? '';
    execFileSync('bash', ['-c', `mkdir usr etc bin; touch etc/f; chattr +i etc/f`], { cwd: directory });
    let archive: Buffer;
    try {
      archive = execFileSync('bsdtar', ['--format=pax', '--fflags', '-cC', directory, '.']);
    } finally {
      execFileSync('chattr', ['-i', join(directory, 'etc/f')]);
    }
    expect(archive.includes('SCHILY.fflags')).toBe(true);
    const ports = await fetchPorts();
    const stored = await fetchImage(await desiredBytes(archive), ports, signal);
    expect(flags(join(entryPath(ports.paths, stored), 'root/etc/f'))).not.toContain('i');
  });
});

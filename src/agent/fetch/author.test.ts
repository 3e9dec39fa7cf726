import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { InspectionLine } from '../../api/inspection.ts';
import { inspectEntry } from '../inspect/inspect.ts';
import { removeImage } from '../removal/removal.ts';
import { listStore } from '../store/list.ts';
import { entryPath } from '../store/paths.ts';
import { verifyEntry } from '../store/verify.ts';
import { fetchImage } from './fetch.ts';
import { rootEntries, tar } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { manifestOf } from '../../../test/fixtures/agent/manifest.ts';
import { shell } from '../../../test/fixtures/agent/trees.ts';

/** Who makes an image decides what is in it. Here images live that only somebody who means harm, or to test, would make. */

const unable = whyNoUnpacking();
vi.setConfig({ testTimeout: 120_000 });

const base = String.raw`
  mkdir -p usr/bin usr/lib etc var tmp dev srv; ln -s usr/bin bin; ln -s usr/lib lib
  printf '#!/bin/sh\n' >usr/bin/hello; chmod 4755 usr/bin/hello; printf 'ID=x\n' >etc/os-release`;

/** As a tar archive with all that tar knows. */
function archiveOf(script: string): Buffer {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(root);
  shell(root, `${base}\n${script}`);
  const file = join(directory, 'archive.tar');
  const pack = [
    '--create',
    '--format=posix',
    '--xattrs',
    '--xattrs-include=*',
    '--acls',
    '--numeric-owner',
    '--sparse',
  ];
  execFileSync('tar', [...pack, '-C', root, '-f', file, '.'], { stdio: ['ignore', 'ignore', 'ignore'] });
  return readFileSync(file);
}

/** Lives through it: two versions, so that they share; both ways to verify; what inspection says; the removal. */
async function live(archive: Buffer) {
  const ports = await fetchPorts();
  const desired = await desiredBytes(archive);
  const versions = ['v1', 'v2'].map((version) => ({ ...desired, version }));
  for (const image of versions) await fetchImage(image, ports, signal);
  const [first, second] = versions.map((image) => entryPath(ports.paths, image)) as [string, string];
  // The time of the root itself is that of its publishing.
  const trees = [first, second].map((entry) => ({ ...manifestOf(join(entry, 'root')), '.': '' }));
  expect(trees[1]).toEqual(trees[0]);
  for (const content of [false, true, true]) {
    for (const entry of [first, second]) {
      expect(await verifyEntry(entry, content, temporaryFileSystem(), signal)).toBeUndefined();
    }
  }
  const told: InspectionLine[] = [];
  for await (const line of inspectEntry(first, { scratch: temporaryDirectory(), signal })) told.push(line);
  expect(told.at(-1)).toEqual({ kind: 'end' });
  // A terminal that shows what inspection says obeys no image.
  expect(JSON.stringify(told)).not.toMatch(/(?<!\\)\\(u00|[nrtbf])|[\p{C}\p{Zl}\p{Zp}]/u);
  const { images } = await listStore(ports.paths);
  for (const image of versions) await removeImage(image, { ...ports, listPods: () => Promise.resolve([]) });
  expect([
    (await listStore(ports.paths)).images,
    await readdir(ports.paths.trash),
    await readdir(ports.paths.staging),
  ]).toEqual([[], [], []]);
  expect(JSON.stringify(images)).not.toMatch(/\\u00|\\n/);
}

const stored: [string, string][] = [
  [
    'names with ends of lines, sequences for terminals, bytes that are no UTF-8, words of lists and shells',
    String.raw`mkdir "$(printf 'srv/a\nb')" "$(printf 'srv/\300\257')" 'srv/# file: x'
      echo 1 >"$(printf 'srv/a\nb/c\n d')"; echo 2 >"$(printf 'etc/\nx')"; ln -s "$(printf 'x\ny')" "$(printf 'etc/l\n x')"
      for i in 1 7 8 13 27 31 127; do echo $i >"srv/$(printf "\\$(printf %03o $i)x")"; done
      echo 3 >"$(printf 'srv/\033]0;evil\007\033[2J')"; echo 4 >"$(printf 'srv/\377\376')"; echo 5 >"$(printf 'srv/\355\240\200')"
      echo 6 >"$(printf 'srv/\300\257/\360\237\222\251')"; echo 7 >"$(printf 'srv/\342\200\256gpj.exe')"; echo 8 >"$(printf 'srv/\302\233')"
      for name in 'a b=c #d' '\012' '%s%n' '-rf' '$(id)' '"q"' "'" '*' ' type=file' ' ' '.wh.x' '# file: x/# file: y'; do echo "$name" >"srv/$name"; done
      setfattr -n user.x -v a 'srv/# file: x/# file: y'`,
  ],
  [
    'pipes, devices in dev, odd owners, modes and times',
    String.raw`mkfifo srv/pipe usr/pipe dev/f; mknod dev/null c 1 3; mknod dev/sda b 8 0; mkdir -m 0000 srv/closed; echo x >srv/closed/file
      chmod 0 srv/closed/file; chown 4294967294:4294967293 srv/closed/file; chmod 7777 srv; echo x >usr/bin/suid; chmod 6777 usr/bin/suid
      for time in -1 0.000000001 32503680000 -2147483649 4294967296.999999999; do touch -d "@$time" "etc/$time"; done`,
  ],
  [
    'attributes of any name, many of them',
    String.raw`echo x >srv/a; for i in $(seq 30); do setfattr -n "user.n$i" -v "$(head -c 80 /dev/zero | tr '\0' v)" srv/a; done
      setfattr -n "user.$(printf 'a\nb')" -v x srv/a; setfattr -n "user.$(printf '\033[2J\033]0;evil\007')" -v x srv/a
      setfattr -n "user.$(printf '\377')" -v x srv/a; setfattr -n 'user.a b=c' -v 0x000a0d srv/a; setfattr -n user.empty srv/a
      setfattr -n trusted.overlay.opaque -v y srv; for i in $(seq 100); do echo x >srv/f$i; setfattr -n user.k$i -v $i srv/f$i; touch -d @1 srv/f$i; done`,
  ],
  [
    'thousands of names of one file, links to everywhere and to themselves',
    String.raw`echo x >srv/a; for i in $(seq 2000); do ln srv/a srv/l$i; done; ln -s / srv/root; ln -s ../../../../../../etc/passwd srv/up
      ln -s loop srv/loop; ln -s "$(head -c 4000 /dev/zero | tr '\0' x)" srv/long; p=srv; for i in $(seq 300); do p=$p/d; done; mkdir -p $p; echo x >$p/f`,
  ],
  [
    '/etc as a link, /var and /tmp as links out of the image',
    'rm -r etc; mkdir -p usr/etc; ln -s usr/etc etc; rmdir var tmp; ln -s ../../../../var var; ln -s /proc/self/root/tmp tmp',
  ],
  [
    'odd names on top, and those that entries of the store have',
    String.raw`mkdir -- '...' ' ' '-x' '#' 'a:b' 'a,b' "$(printf '\033[2Jx')" .hidden 'A b'; echo x >'./-x/y'
      mkdir manifest attributes image.json root staging; echo '{}' >bundle.json; echo true >mount.sh`,
  ],
  [
    'records of packages that obey no format, pipes and devices instead of them',
    String.raw`mkdir -p var/lib/dpkg/info lib/apk/db; printf 'Package: a\033[2Jb\nStatus: install ok installed\nVersion: \r1\nArchitecture: all\n\nPackage: \377\nVersion: 1\n' >var/lib/dpkg/status
      printf '/../../../../etc/passwd\n/.//./usr/bin/../hello\n\n\033[2J\n' >"$(printf 'var/lib/dpkg/info/a\033.list')"
      mkfifo var/lib/dpkg/info/c.list lib/apk/db/installed; ln -s /etc/shadow var/lib/dpkg/info/d.list; mknod dev/zero c 1 5; ln -s ../../../../dev/zero var/lib/dpkg/info/e.list`,
  ],
  [
    'a list of packages and of users of a gigabyte',
    'mkdir -p var/lib/dpkg; truncate -s 1G etc/passwd var/lib/dpkg/status',
  ],
];

describe.skipIf(unable)(unable ? `an image with (skipped: ${unable})` : 'an image with', () => {
  test.each(stored)('%s lives from its fetch to its removal', async (_name, script) => {
    await live(archiveOf(script));
  });
});

describe.skipIf(unable)(unable ? `what is said (skipped: ${unable})` : 'what is said', () => {
  const evil = '\u001b[2J\nready \u202e';
  const refused = async (entries: TarEntry[]) => {
    const ports = await fetchPorts();
    return fetchImage(await desiredBytes(tar(entries)), ports, signal).then(() => '', String);
  };

  test('of an archive that is refused holds nothing that a terminal would obey', async () => {
    const messages = [
      await refused([{ name: `${evil}/`, type: 'directory' }]),
      await refused([...rootEntries(), { name: `usr/${evil}`, type: 'block', device: [8, 0] }]),
      await refused([...rootEntries(), { name: `../${evil}`, content: 'x' }]),
      await refused([
        ...rootEntries('root/'),
        { name: 'bundle.json', content: JSON.stringify({ os: evil, version: 'v1' }) },
      ]),
    ];
    for (const message of messages) {
      expect(message).toMatch(/^FetchError: /);
      expect(message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    }
  });
});

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { describeTree, inodeOf, publishedTree, shell } from '../../../test/fixtures/agent/trees.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { manifestName } from './manifest.ts';
import { readUsedBytes } from './usage.ts';

const unable = whyNoUnpacking();
const plain = 'usr/lib/deep/plain';
/** `mtime` of the base tree, for what a script has changed. */
const sameTime = (path: string) => `touch -d '2024-01-01 00:00:00.123456789' ${path}`;

/** v1 from the base tree, and v2 made of it by a script. */
async function versions(change = '', changeFirst = '') {
  const ports = await fetchPorts();
  const v1 = await publishedTree(ports, 'v1', { change: changeFirst });
  const v2 = await publishedTree(ports, 'v2', { from: v1.root, change });
  const shares = (path: string, other = path) => inodeOf(v1.root, path) === inodeOf(v2.root, other);
  return { ports, v1, v2, shares };
}

describe.skipIf(unable)(unable ? `sharing (skipped: ${unable})` : 'sharing', () => {
  test('an image like another takes no space for files, and both are as they were', async () => {
    const { v1, v2, shares } = await versions();
    for (const path of [plain, 'usr/lib/large', 'usr/bin/hello', 'etc/one']) expect(shares(path)).toBe(true);
    expect(shares('etc/with*')).toBe(true);
    expect([describeTree(v1.root), describeTree(v2.root)]).toEqual([v1.before, v1.before]);
    expect(v2.image.unpackedBytes).toBe(v1.image.unpackedBytes);
    // All but directories and links.
    const directories = Number(
      shell(v2.root, `find . -mindepth 1 -type d -printf '%b\n' | awk '{ sum += $1 } END { print sum * 512 }'`),
    );
    expect([v1.image.sharedBytes, v2.image.sharedBytes]).toEqual([0, v2.image.unpackedBytes - directories]);
  });

  test.each([
    { step: 'the search', calls: 3, longer: 151 },
    { step: 'the moves', calls: 12, longer: 301 },
    { step: 'all of it', calls: 1, longer: 301 },
  ])('that takes too long ends in $step, with a tree that is as it was', async ({ calls, longer }) => {
    const ports = await fetchPorts();
    const v1 = await publishedTree(ports, 'v1');
    let [count, time] = [0, 0];
    const now = () => new Date((time += count++ === calls ? longer * 1000 : 0));
    const v2 = await publishedTree({ ...ports, now }, 'v2', { from: v1.root });
    expect(count).toBeGreaterThan(calls);
    expect([describeTree(v1.root), describeTree(v2.root)]).toEqual([v1.before, v1.before]);
    const v3 = await publishedTree(ports, 'v3', { from: v1.root });
    expect(v2.image.sharedBytes).toBeLessThan(v3.image.sharedBytes);
    if (calls > 1) expect(v2.image.sharedBytes).toBeGreaterThan(0);
    else expect(v2.image.sharedBytes).toBe(0);
  });

  test('only what differs takes space', async () => {
    const { v2, shares } = await versions(`printf new >etc/new; printf changed >usr/bin/hello`);
    expect([shares(plain), shares('usr/bin/hello')]).toEqual([true, false]);
    expect(describeTree(v2.root)).toBe(v2.before);
  });

  test.each([
    ['mode', `chmod 600 ${plain}`],
    ['owner', `chown 7 ${plain}; ${sameTime(plain)}`],
    ['group', `chgrp 7 ${plain}`],
    ['time by one nanosecond', `touch -d '2024-01-01 00:00:00.123456788' ${plain}`],
    [
      'content, at the same size and time',
      `printf x | dd of=${plain} conv=notrunc bs=1 seek=4999 status=none; ${sameTime(plain)}`,
    ],
    ['extended attributes', `setfattr -n user.of -v two ${plain}`],
    ['ACL', `setfacl -m u:7:r ${plain}; chmod g=r ${plain}`],
    ['capability', `setcap cap_net_raw=ep ${plain}`],
  ])('a file of another %s is not shared', async (_name, change) => {
    const { v1, v2, shares } = await versions(change);
    expect([shares(plain), shares('usr/lib/large')]).toEqual([false, true]);
    expect([describeTree(v1.root), describeTree(v2.root)]).toEqual([v1.before, v2.before]);
  });

  test('nor is one whose attributes are only in the published tree, or in both', async () => {
    const first = await versions(`setfattr -x user.of ${plain}`, `setfattr -n user.of -v one ${plain}`);
    expect([first.shares(plain), describeTree(first.v2.root)]).toEqual([false, first.v2.before]);
    const second = await versions('', `setfattr -n user.of -v one ${plain}`);
    expect([second.shares(plain), describeTree(second.v2.root)]).toEqual([false, second.v2.before]);
  });

  test('a published file that has changed is not spread', async () => {
    const ports = await fetchPorts();
    const v1 = await publishedTree(ports, 'v1');
    const good = await readFile(join(v1.root, plain));
    const copy = join(ports.paths.root, 'copy');
    shell(v1.root, `cp -a . '${copy}'`);
    shell(
      v1.root,
      `printf rot | dd of=${plain} conv=notrunc status=none; ${sameTime(plain)}; chmod 644 etc/one; printf grown >>etc/one`,
    );
    const v2 = await publishedTree(ports, 'v2', { from: copy });
    expect((await readFile(join(v2.root, plain))).equals(good)).toBe(true);
    expect(describeTree(v2.root)).toBe(v2.before);
    expect(inodeOf(v1.root, 'usr/lib/large')).toBe(inodeOf(v2.root, 'usr/lib/large'));
  });

  test('several names of one file stay so, and copies stay copies', async () => {
    const { v2, shares } = await versions();
    expect([shares('etc/one'), shares('etc/one', 'etc/other')]).toEqual([true, true]);
    expect(inodeOf(v2.root, 'etc/one')).toMatch(/ 4$/);
    expect(inodeOf(v2.root, 'etc/copy')).not.toBe(inodeOf(v2.root, 'etc/copy-'));
    const joined = await versions('', 'ln -f etc/copy etc/copy-');
    const parted = await publishedTree(joined.ports, 'v3', {
      from: joined.v1.root,
      change: `cp -p etc/copy etc/x; mv etc/x etc/copy-`,
    });
    expect(inodeOf(parted.root, 'etc/copy').split(' ')[0]).not.toBe(inodeOf(parted.root, 'etc/copy-').split(' ')[0]);
  });

  test('a file that moved is shared, and one with the looks of many finds its like', async () => {
    const many = `for i in 1 2 3; do printf same$i >etc/m$i; ${sameTime('etc/m$i')}; done`;
    const { shares, v2 } = await versions('mv etc/m2 usr/lib/m2', many);
    expect([shares('etc/m2', 'usr/lib/m2'), shares('etc/m1'), shares('etc/m3')]).toEqual([true, true, true]);
    expect(describeTree(v2.root)).toBe(v2.before);
  });

  test('files that are all holes but for a page are not read, and others with holes are shared', async () => {
    const holes = `truncate -s 40G etc/hole; printf x | dd of=etc/hole bs=1 seek=20G conv=notrunc status=none
      truncate -s 3M etc/some; head -c 2M /dev/urandom | dd of=etc/some bs=1M conv=notrunc status=none
      ${sameTime('etc/hole')}; ${sameTime('etc/some')}`;
    const ports = await fetchPorts();
    const v1 = await publishedTree(ports, 'v1', { change: holes, looks: false });
    const v2 = await publishedTree(ports, 'v2', { from: v1.root, looks: false });
    const shares = (path: string) => inodeOf(v1.root, path) === inodeOf(v2.root, path);
    expect([shares('etc/hole'), shares('etc/some'), shares(plain)]).toEqual([false, true, true]);
    expect(v2.image.layout.overlayBytes?.['etc']).toBeLessThan(4 * 1024 * 1024);
  });

  test(
    'a file with as many names as it can have is passed over by the next version, and all else is shared',
    { timeout: 120_000 },
    async () => {
      const names = `seq 33000 | (cd usr/lib/deep; sed 's/^/n/' | perl -lne 'link "plain", $_ or die "$_: $!"')
      touch -d '2024-01-01 00:00:00.123456789' usr/lib/deep`;
      const ports = await fetchPorts();
      const v1 = await publishedTree(ports, 'v1', { change: names, looks: false });
      const v2 = await publishedTree(ports, 'v2', { from: v1.root, looks: false });
      const [first, second] = [v1, v2].map(({ root }) => inodeOf(root, plain).split(' '));
      if (first?.[0] === second?.[0]) expect(second?.[1]).toBe('66002');
      else expect([first?.[1], second?.[1]]).toEqual(['33001', '33001']);
      expect(inodeOf(v1.root, 'usr/lib/large')).toBe(inodeOf(v2.root, 'usr/lib/large'));
      expect(inodeOf(v2.root, 'usr/lib/deep/n33000')).toBe(inodeOf(v2.root, plain));
    },
  );

  test('a version stays whole when the other one goes, and space is saved once for three', async () => {
    const { ports, v1, v2 } = await versions();
    const v3 = await publishedTree(ports, 'v3', { from: v2.root });
    expect(inodeOf(v3.root, plain)).toBe(inodeOf(v1.root, plain));
    await rm(v1.entry, { recursive: true });
    await rm(v2.entry, { recursive: true });
    expect(describeTree(v3.root)).toBe(v3.before);
  });

  test('the store takes what its images take together, before and after one goes', async () => {
    const { ports, v1, v2 } = await versions(`head -c 100000 /dev/zero | tr '\\0' x >etc/new`);
    const used = () => readUsedBytes(ports.paths, signal);
    const du = () => Number(shell(ports.paths.store, 'du -s -B1 .').split('\t')[0]);
    const before = await used();
    expect(before).toBe(du());
    const sum = v1.image.unpackedBytes + v2.image.unpackedBytes;
    expect(before).toBeLessThan(sum);
    await rm(v1.entry, { recursive: true });
    expect(await used()).toBe(du());
    expect(await used()).toBeGreaterThan(v2.image.unpackedBytes);
  });

  test('an entry whose files have vanished is passed over', async () => {
    const ports = await fetchPorts();
    const v1 = await publishedTree(ports, 'v1');
    const copy = join(ports.paths.root, 'copy');
    shell(v1.root, `cp -a . '${copy}'; rm -r usr etc/one; mkfifo etc/one; ln -s /etc/passwd usr`);
    const v2 = await publishedTree(ports, 'v2', { from: copy });
    expect(describeTree(v2.root)).toBe(v2.before);
    await rm(join(v2.entry, manifestName));
    const v3 = await publishedTree(ports, 'v3', { from: copy });
    expect([describeTree(v3.root), inodeOf(v3.root, plain)]).toEqual([v3.before, expect.stringMatching(/ 1$/)]);
  });
});

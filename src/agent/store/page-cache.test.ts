import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newDisk, remount, whyNoDisk } from '../../../test/fixtures/agent/disk.ts';
import type { Disk } from '../../../test/fixtures/agent/disk.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { temporaryFileSystem, whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { cachedPages, readOfDisk, takenPages } from '../../../test/fixtures/agent/page-cache.ts';
import { publishedTree, shell } from '../../../test/fixtures/agent/trees.ts';
import { storePaths } from './paths.ts';
import { prepareStore } from './remove.ts';
import { verifyEntry } from './verify.ts';

const noFincore = spawnSync('fincore', ['--version']).status === 0 ? undefined : 'needs fincore: util-linux 2.30';
const unable = whyNoUnpacking() ?? whyNoDisk() ?? noFincore;

const mebibyte = 1024 * 1024;
const megabytes = 16;
const content = `head -c ${megabytes}M /dev/urandom | split -b 256K - usr/lib/deep/part`;

/** An image on a disk of its own, with the digests of its files. */
async function imageOnDisk(): Promise<{ disk: Disk; entry: string; root: string }> {
  const disk = newDisk(join(temporaryFileSystem(), 'disk'));
  const paths = storePaths(join(disk.path, 'monoroot'));
  await mkdir(paths.root);
  await prepareStore(paths);
  const { entry, root } = await publishedTree(await fetchPorts({ paths }), 'v1', { change: content, looks: false });
  expect(await verifyEntry(entry, true, temporaryDirectory(), signal)).toBeUndefined();
  return { disk, entry, root };
}

/** What a verification reads of the disk, and which pages are in the page cache before and after it. */
async function measured(disk: Disk, root: string, isDeep: boolean) {
  for (let failedAttempts = 0; ; failedAttempts++) {
    const [taken, before, read] = [takenPages(), cachedPages(root), readOfDisk(disk.path)];
    expect(await verifyEntry(join(root, '..'), isDeep, temporaryDirectory(), signal)).toBeUndefined();
    const result = { before, after: cachedPages(root), bytes: readOfDisk(disk.path) - read };
    // Pages that the kernel takes from anybody for want of memory say nothing about a verification.
    if (taken === takenPages() || result.before === result.after || failedAttempts === 5) return result;
  }
}

const pagesOf = (text: string) => text.split('\n').reduce((sum, line) => sum + Number(line.split(' ')[0]), 0);

describe.skipIf(unable)(unable ? `the page cache (skipped: ${unable})` : 'the page cache', () => {
  test('a look reads no byte of a file', { timeout: 120_000 }, async () => {
    const { disk, root } = await imageOnDisk();
    remount(disk);
    const { before, after, bytes } = await measured(disk, root, false);
    expect([pagesOf(before), pagesOf(after)]).toEqual([0, 0]);
    // Directories, inodes and the manifest; nothing came past the page cache either.
    expect(bytes).toBeLessThan((megabytes * mebibyte) / 8);
  });

  test(
    'a deep read reads all of the disk, and leaves in the page cache what was there',
    { timeout: 120_000 },
    async () => {
      const { disk, root } = await imageOnDisk();
      remount(disk);
      shell(root, `find . -type f | sort | awk 'NR % 2' | xargs -d '\n' cat >/dev/null`);
      const { before, after, bytes } = await measured(disk, root, true);
      expect(pagesOf(before) * 4096).toBeGreaterThan((megabytes * mebibyte) / 3);
      expect(after).toBe(before);
      expect(bytes).toBeGreaterThan(megabytes * mebibyte);
    },
  );
});

// What looking at a stored image costs its node, on a disk of its own (ext4 in a file): a look, a deep read, and sha256sum over the
// same files. For each: bytes read of the disk, pages of the tree that came into the page cache and that were thrown out of it, and
// time; once with none of the tree in the page cache and once with half of it, as containers have. Fails when a look reads a file,
// or a deep read changes what is in the page cache. Needs root. Usage: hack/bench/verify [--megabytes 200] [--files 4000]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import { publishTree } from '../../src/agent/fetch/commit-tree.ts';
import { entryPath, storePaths } from '../../src/agent/store/paths.ts';
import { prepareStore } from '../../src/agent/store/remove.ts';
import { withScratch } from '../../src/agent/store/scratch.ts';
import { verifyEntry } from '../../src/agent/store/verify.ts';
import { printTable } from './lib.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/verify',
  does: 'What a look at a stored image and a deep read of it cost, against sha256sum over the same files.',
};
const options = readOptions(about, {
  megabytes: { type: 'string', default: '200' },
  files: { type: 'string', default: '4000' },
});
const mebibyte = 2 ** 20;
const { signal } = new AbortController();
const sh = (script: string, ...args: string[]) =>
  execFileSync('sh', ['-ec', script, 'sh', ...args], { encoding: 'utf8' });

const directory = mkdtempSync('/var/tmp/monoroot-verify-');
const disk = join(directory, 'disk');
writeFileSync(disk, '');
truncateSync(disk, (Number(options.megabytes) * 3 + 500) * mebibyte);
sh('mkfs.ext4 -q -F "$1"; mkdir "$2"; mount -o loop "$1" "$2"', disk, join(directory, 'mounted'));
try {
  await measure(join(directory, 'mounted'));
} finally {
  sh('umount "$1/mounted"; rm -rf "$1"', directory);
}

async function measure(mounted: string): Promise<void> {
  const paths = storePaths(join(mounted, 'monoroot'));
  await mkdir(paths.root);
  await prepareStore(paths);
  const root = join(await publish(paths), 'root');
  const entry = join(root, '..');
  const verify = (content: boolean) => () =>
    withScratch(paths, (scratch) => verifyEntry(entry, content, scratch, signal));
  // The first adds the digests.
  await verify(true)();
  const sides = [
    { name: 'a look', work: verify(false), most: { read: 0, changed: 0 } },
    { name: 'a deep read', work: verify(true), most: { read: Infinity, changed: 0 } },
    {
      name: 'sha256sum',
      work: () => Promise.resolve(void sh('cd "$1"; find . -type f -print0 | xargs -0 sha256sum >/dev/null', root)),
      most: { read: Infinity, changed: Infinity },
    },
  ];
  const rows = [['MiB', 'read of the disk', 'came into the page cache', 'thrown out of it', 'ms']];
  let failed = false;
  for (const cached of ['nothing', 'half']) {
    for (const { name, work, most } of sides) {
      await warm(root, cached === 'half');
      const before = cachedPages(root);
      const sectors = readSectors(mounted);
      const began = performance.now();
      const outcome = await work();
      const took = performance.now() - began;
      const read = (readSectors(mounted) - sectors) * 512;
      const after = cachedPages(root);
      const came = [...after].filter((page) => !before.has(page)).length;
      const gone = [...before].filter((page) => !after.has(page)).length;
      // A look reads directories and inodes; of files it reads nothing when none of their pages came.
      failed ||= came > most.changed || gone > most.changed || outcome !== undefined;
      const cells = [read, came * 4096, gone * 4096].map((bytes) => (bytes / mebibyte).toFixed(1));
      rows.push([`${name}, ${cached} cached`, ...cells, took.toFixed(0)]);
    }
  }
  printTable(rows);
  console.log(JSON.stringify({ bench: 'verify', passed: !failed }));
  if (failed) process.exitCode = 1;
}

async function publish(paths: ReturnType<typeof storePaths>): Promise<string> {
  const staging = join(paths.staging, 'bench');
  const tree = join(staging, 'tree');
  await mkdir(join(tree, 'usr/bin'), { recursive: true });
  const script = `cd "$1"; mkdir etc; ln -s usr/bin bin; head -c "$2" /dev/urandom | split -a 5 -b "$3" - usr/bin/file`;
  const bytes = Number(options.megabytes) * mebibyte;
  sh(script, tree, String(bytes), String(Math.ceil(bytes / Number(options.files))));
  const ports = { paths, architecture: 'amd64' as const, now: () => new Date() };
  const image = await publishTree(tree, { staging, desired: desiredImage(), archiveBytes: 1 }, ports, signal);
  return entryPath(paths, image);
}

/** Empties the page cache, and then reads every second file. */
async function warm(root: string, half: boolean): Promise<void> {
  sh('sync; echo 3 >/proc/sys/vm/drop_caches');
  if (half) sh(`cd "$1"; find usr -type f | sort | awk 'NR % 2' | xargs cat >/dev/null`, root);
  return Promise.resolve();
}

/** Names of files and how many of their pages are in the page cache, one item a page. */
function cachedPages(root: string): Set<string> {
  const lines = sh('cd "$1"; find usr -type f -print0 | xargs -0 fincore --noheadings --raw --output PAGES,FILE', root);
  const pages = new Set<string>();
  for (const line of lines.split('\n').filter(Boolean)) {
    const [count, ...name] = line.split(' ');
    for (let page = 0; page < Number(count); page++) pages.add(`${name.join(' ')} ${page}`);
  }
  return pages;
}

/** Sectors read of the disk that holds a directory. */
function readSectors(path: string): number {
  const { dev } = statSync(path);
  const stat = readFileSync(`/sys/dev/block/${dev >> 8}:${dev & 0xff}/stat`, 'utf8').trim();
  return Number(stat.split(/ +/)[2]);
}

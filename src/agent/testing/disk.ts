import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An agent leaves 256 MiB free. The file has holes: some megabytes of it are taken. */
const bytes = 500_000_000;
/** Nothing is written but what somebody syncs: the journal is not committed by itself, nor are tables filled. */
const options = 'loop,commit=300,noinit_itable';
/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: from now on nothing reaches the disk, not even what is in the journal. */
const shutdown = `
  my ($path, $flags) = (@ARGV, pack("L", 2));
  open(my $directory, "<", $path) or die "$path: $!\\n";
  ioctl($directory, 0x8004587d, $flags) or die "$path: $!\\n";
`;

/** A disk of its own for a test: a file with an ext4, and where that is mounted. */
export interface Disk {
  file: string;
  path: string;
}

/** Why no disk can be mounted here; undefined when one can. */
export function whyNoDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, to mount';
  for (const program of [
    ['mkfs.ext4', '-V'],
    ['perl', '-v'],
  ] as const) {
    if (spawnSync(program[0], [program[1]]).status !== 0)
      return `needs ${program[0]}: apt-get install e2fsprogs perl-base`;
  }
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-disk-'));
  try {
    const file = join(directory, 'disk');
    format(file);
    const { status, stderr } = spawnSync('mount', ['-o', options, file, directory], { encoding: 'utf8' });
    if (status !== 0) return `needs to mount an ext4 in a file: ${stderr.trim()}`;
    execFileSync('umount', [directory]);
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An empty one. */
export function newDisk(file: string): Disk {
  format(file);
  return mounted(file);
}

/** Another one with all that has reached the given one, which need not be mounted; a journal is recovered. */
export function copyOfDisk(disk: Disk, file: string): Disk {
  execFileSync('cp', ['--sparse=always', disk.file, file]);
  return mounted(file);
}

/** Takes a disk out after all of it was written. */
export function unmount({ path }: Disk): void {
  execFileSync('umount', [path]);
}

/** What was not written yet never will be; who uses the disk gets errors. */
export function cutPower({ path }: Disk): void {
  execFileSync('perl', ['-e', shutdown, path]);
}

/** Frees it, whoever still has something open on it. */
export function discard({ file, path }: Disk): void {
  spawnSync('umount', ['-l', path], { stdio: 'ignore' });
  rmSync(file, { force: true });
}

function format(file: string): void {
  writeFileSync(file, '');
  truncateSync(file, bytes);
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', '-J', 'size=4', '-E', 'lazy_itable_init=1', file]);
}

function mounted(file: string): Disk {
  const disk = { file, path: `${file}.mounted` };
  mkdirSync(disk.path, { recursive: true });
  onTestFinished(() => discard(disk));
  execFileSync('mount', ['-o', options, file, disk.path]);
  return disk;
}

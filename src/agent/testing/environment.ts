import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Why images cannot be unpacked here; undefined when they can. */
export function whyNoUnpacking(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, as the agent does: owners, devices and chroot';
  const missing = ['bsdtar', 'getfattr', 'zstd', 'gzip', 'xz'].filter(
    (program) => spawnSync(program, ['--version']).status !== 0,
  );
  return missing.length > 0
    ? `needs ${missing.join(', ')}: apt-get install libarchive-tools attr zstd gzip xz-utils`
    : undefined;
}

/** A directory of its own for a test, removed at its end. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'monoroot-agent-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/**
 * A small file system of its own for a test, in memory: it is full when it should be, and nobody else's writing makes a sync
 * slow. The options are those of tmpfs, such as `size=1g,nr_inodes=400`.
 */
export function temporaryFileSystem(options = 'size=1g'): string {
  const path = temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}

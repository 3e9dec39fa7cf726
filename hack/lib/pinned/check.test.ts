import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const pinned = (...args: string[]) => {
  const { status, stderr } = spawnSync(join(import.meta.dirname, 'check'), args, { encoding: 'utf8' });
  return { status, stderr };
};

test('everything that ships is pinned with integrity', () => {
  expect(pinned()).toEqual({ status: 0, stderr: '' });
});

test('another Node than the pinned one is refused, and so is one that no one pinned', () => {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-pinned-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'node');
  writeFileSync(file, 'another');
  expect(pinned('node', file, 'x64')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/has SHA-256 [0-9a-f]{64} and not [0-9a-f]{64}/) as string,
  });
  expect(pinned('node', file, 'riscv64')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('has no Node') as string,
  });
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../process.ts';
import { startGit } from './git-server.ts';

test('the Git server of the GitOps tools gives what was committed, commit by commit', async ({ onTestFinished }) => {
  const server = await startGit();
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-clone-'));
  onTestFinished(() => {
    server.stop();
    rmSync(directory, { recursive: true });
  });
  const first = await server.commit('First', { 'shops/a.yaml': 'a: 1\n', 'b.yaml': 'b: 1\n' });
  const clone = join(directory, 'clone');
  const git = async (...args: string[]) => expect(await run('git', args)).toMatchObject({ code: 0 });
  await git('clone', '--quiet', server.url, clone);
  expect(readFileSync(join(clone, 'shops/a.yaml'), 'utf8')).toBe('a: 1\n');
  const second = await server.commit('Second', { 'shops/a.yaml': 'a: 2\n', 'b.yaml': undefined });
  await git('-C', clone, 'pull', '--quiet');
  expect(readFileSync(join(clone, 'shops/a.yaml'), 'utf8')).toBe('a: 2\n');
  expect(execFileSync('git', ['-C', clone, 'log', '--format=%H %s'], { encoding: 'utf8' })).toBe(
    `${second} Second\n${first} First\n`,
  );
  expect(execFileSync('git', ['-C', clone, 'ls-files'], { encoding: 'utf8' })).toBe('shops/a.yaml\n');
});

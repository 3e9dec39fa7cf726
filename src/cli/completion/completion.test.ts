import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { runForTest } from '../../../test/fixtures/cli.ts';
import { commands } from '../commands.ts';
import { scriptFor } from './scripts.ts';

const ask = async (...words: string[]) => {
  const { stdout } = await runForTest(['__complete', ...words], commands);
  return stdout.trim().split('\n').map((line) => line.split('\t')[0]); // prettier-ignore
};

test.each([
  ['words of commands', ['ro'], ['rollback', 'rollout', ':4']],
  ['second words', ['rollout', 'p'], ['pause', ':4']],
  ['options before a command', ['--kube'], ['--kubeconfig', ':4']],
  ['options of a command', ['diff', '--pack'], ['--packages', ':4']],
  ['values of an option', ['diff', '-o', 'j'], ['json', ':4']],
  ['a command after options', ['-n', 'shops', 'rollo'], ['rollout', ':4']],
  ['files, which are for the shell', ['bundle', 'build', 'x'], [':0']],
  ['nothing for what no one knows', ['frobnicate', 'x'], [':4']],
  ['nothing where there is no cluster', ['diff', '--kubeconfig', '/nowhere', ''], [':4']],
])('completes %s', async (_case, words, offered) => {
  expect(await ask(...words)).toEqual(offered);
});

test.each(['bash', 'zsh', 'fish', 'powershell', 'kubectl'])('%s gets a script that asks the plugin', async (shell) => {
  const { code, stdout } = await runForTest(['completion', shell], commands);
  expect([code, stdout]).toEqual([0, expect.stringContaining('__complete')]);
});

test('in bash, colons of images are no ends of words', () => {
  const directory = temporaryDirectory();
  const program = join(directory, 'kubectl-monoroot');
  writeFileSync(program, '#!/bin/sh\necho "$@" >&2; printf "debian-12:v35\\tx\\ndebian-12:v36\\n:4\\n"\n');
  chmodSync(program, 0o755);
  writeFileSync(join(directory, 'completion'), scriptFor('bash'));
  const typed = `${program} diff debian-12:v3`;
  const script = `source ${directory}/completion; COMP_LINE='${typed}' COMP_POINT=${typed.length} COMP_WORDBREAKS=': ' _kubectl_monoroot; echo "\${COMPREPLY[@]}"`;
  expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('v35 v36\n');
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { launchFailure, launchReasons } from './outcome.ts';

const ended = (message: string, exitCode = 125): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {} as Pod['spec'],
  status: {
    containerStatuses: [{ name: 'main', ready: false, restartCount: 1, state: { terminated: { exitCode, message } } }],
  },
});

test('a reason counts when launch has it', () => {
  expect(launchFailure(ended('monoroot: UnknownUser: nobody\n'))).toEqual({ reason: 'UnknownUser', message: 'nobody' });
});

test.each([
  ['a reason that no status could hold', ended(`monoroot: ${'A'.repeat(200)}: x`)],
  ['a reason that launch has not', ended('monoroot: Reverted: x')],
  ['the name of what each object has', ended('monoroot: Constructor: x')],
  ['an exit code that is not that of launch', ended('monoroot: UnknownUser: x', 1)],
])('%s is the last output of the command, and no more', (_name, pod) => {
  expect(launchFailure(pod)).toBeUndefined();
});

test('the list is that of scaffold/launch', () => {
  const launch = readFileSync(new URL('../../../scaffold/launch', import.meta.url), 'utf8');
  const listed = /Reasons: ([A-Za-z #\n]+)\./.exec(launch)?.[1] ?? '';
  expect(listed.match(/[A-Z][A-Za-z]+/g)?.sort()).toEqual([...launchReasons].sort());
});

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { builtImage, container } from '../../../test/fixtures/builders.ts';
import { redactObject, redactText } from './redact.ts';
import { tarOf } from './tar.ts';

const canary = 'canary-7f3a';

test('what users may write a secret into is left out of objects', () => {
  const web = container(
    {
      image: 'os:2',
      command: ['/bin/sh', '-c', `curl -H ${canary}`],
      args: [canary],
      env: [{ name: 'PASSWORD', value: canary }],
      readinessProbe: { exec: { command: ['check', canary] } },
    },
    { failedImages: [{ image: 'os:1', digest: `sha256:${'0'.repeat(64)}`, fingerprint: 'f', reason: 'CrashLooping', message: `It exited. Last log lines: ${canary}`, time: '2026-01-01T00:00:00Z', attempts: 1 }] }, // prettier-ignore
  );
  const image = builtImage('os:2', { run: [`login ${canary}`], files: [{ path: '/etc/x', content: canary }] }, { mountScript: canary }); // prettier-ignore
  const annotated = { metadata: { name: 'x', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': canary }, managedFields: [canary] } }; // prettier-ignore
  const source = { url: `https://user:${canary}@images.example.com/os.tar?token=${canary}` };
  const text = JSON.stringify(redactObject([web, image, annotated, source]));
  expect(text).not.toContain(canary);
  // What is needed to find a fault is there.
  for (const kept of ['"name":"PASSWORD"', '"image":"os:2"', 'images.example.com/os.tar', 'CrashLooping', '/etc/x']) {
    expect(text).toContain(kept);
  }
});

test.each([
  `authorization: Bearer ${canary}abcdefgh`,
  `"password":"${canary}"`,
  `token=${canary}`,
  `GET https://u:${canary}@host/x`,
  `https://host/x?X-Amz-Signature=${canary}`,
])('of a line of a log: %s', (line) => {
  expect(redactText(`before ${line}`)).not.toContain(canary);
  expect(redactText(`before ${line}`)).toMatch(/^before /);
});

test('tar reads the archive', () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'x.tar');
  writeFileSync(file, tarOf([{ name: 'a.txt', text: 'one\n' }, { name: 'logs/b.log', text: 'é'.repeat(600) }], new Date())); // prettier-ignore
  const read = (name: string) => execFileSync('tar', ['-xOf', file, name], { encoding: 'utf8' });
  expect([read('a.txt'), read('logs/b.log')]).toEqual(['one\n', 'é'.repeat(600)]);
});

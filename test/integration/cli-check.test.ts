import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { secrets } from '../../src/kube/resources.ts';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import { runForTest } from '../fixtures/cli.ts';
import { connect, createNamespace } from './environment.ts';

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
afterAll(() => connection.close());
const run = (...argv: string[]) => runForTest([...argv, '--kubeconfig', kubeconfig], commands);

test('check finds the kinds, and says that nothing runs', async () => {
  const { code, stdout } = await run('check', '-o', 'json');
  const findings = JSON.parse(stdout) as { id: string; outcome: string }[];
  const outcomes = Object.fromEntries(findings.map(({ id, outcome }) => [id, outcome]));
  expect(code).toBe(1);
  expect(outcomes).toMatchObject({
    'kubernetes-version': 'Ok',
    definitions: 'Ok',
    operator: 'Failed',
    agents: 'Failed',
  });
  // Nodes of other tests are what those want them to be.
  const before = JSON.parse((await run('check', '--pre', '-o', 'json')).stdout) as { id: string; outcome: string }[];
  expect(before.map(({ id }) => id)).toEqual(['kubernetes-version', 'node-kernels', 'node-runtimes']);
  expect(before[0]?.outcome).toBe('Ok');
});

test('check with few rights skips what it may not read', async () => {
  const { stdout } = await run('check', '--as', 'somebody', '-o', 'json');
  const findings = JSON.parse(stdout) as { id: string; outcome: string }[];
  expect(findings.filter(({ outcome }) => outcome === 'Skipped').map(({ id }) => id)).toContain('policies');
});

test('a support bundle has the objects, and no secret from anywhere', async () => {
  const canary = `canary-${randomBytes(6).toString('hex')}`;
  const namespace = await createNamespace(client);
  await client.create(secrets, { metadata: { name: 'login', namespace }, stringData: { password: canary } });
  const spec = { image: 'os:1', command: ['run', canary], env: [{ name: 'PASSWORD', value: canary }] };
  const metadata = { name: 'web', namespace, annotations: { note: canary } };
  await client.apply(hostedContainers, { metadata, spec }, { fieldManager: 'test' });
  const file = join(temporaryDirectory(), 'bundle.tar.gz');
  expect((await run('support-bundle', '-f', file)).code).toBe(0);
  const text = execFileSync('tar', ['-xzOf', file], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  expect(text).toContain(namespace);
  expect(text).not.toContain(canary);

  const partial = join(temporaryDirectory(), 'bundle.tar.gz');
  expect((await run('support-bundle', '-f', partial, '--as', 'somebody')).code).toBe(0);
  expect(execFileSync('tar', ['-xzOf', partial, 'missing.txt'], { encoding: 'utf8' })).toContain('osimages.yaml: ');
});

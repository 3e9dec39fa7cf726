import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import type { NewObject } from '../../src/kube/client.ts';
import { hostedContainers, osImages } from '../../src/kube/kinds.ts';
import { defineResource, secrets } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
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

test('servers of images are asked from here when that is asked for', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const spec = { os: 'checked', version: 'v1', source: { http: { url: `http://127.0.0.1:${port}/a.tar`, sha256: 'a'.repeat(64) } } }; // prettier-ignore
  await client.create(osImages, { metadata: { name: 'checked.v1' }, spec } as unknown as NewObject<OSImage>);
  try {
    const { stdout } = await run('check', '--sources', '-o', 'json');
    const findings = JSON.parse(stdout) as { id: string; outcome: string; message: string }[];
    expect(findings.find(({ id }) => id === 'sources-from-here')).toMatchObject({
      outcome: 'Failed',
      message: expect.stringContaining(`checked:v1: ManifestUnknown: 127.0.0.1:${port} has no /a.tar`) as string,
    });
  } finally {
    await client.delete(osImages, { name: 'checked.v1' });
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a quota that is full is seen in the namespace of a container', async () => {
  const namespace = await createNamespace(client);
  const quotas = defineResource<KubeObject & { spec: object; status?: object }>({
    group: '',
    version: 'v1',
    plural: 'resourcequotas',
    kind: 'ResourceQuota',
    namespaced: true,
  });
  await client.apply(hostedContainers, { metadata: { name: 'web', namespace }, spec: { image: 'os:1' } }, { fieldManager: 'test' }); // prettier-ignore
  await client.create(quotas, { metadata: { name: 'small', namespace }, spec: { hard: { 'limits.memory': '1Gi' } } });
  const { stdout } = await run('check', '-o', 'json');
  const findings = JSON.parse(stdout) as { id: string; outcome: string; message: string }[];
  expect(findings.find(({ id }) => id === 'quotas')).toMatchObject({
    outcome: 'Warning',
    message: expect.stringContaining(`a quota of ${namespace} wants limits.memory of each Pod, which web does not say`) as string, // prettier-ignore
  });
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

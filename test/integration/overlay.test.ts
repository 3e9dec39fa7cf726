import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadAll } from 'js-yaml';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { binaryDirectory } from '../fixtures/binaries.ts';

const repository = join(import.meta.dirname, '../..');

/** What kustomize makes of the overlay that a page shows in these files, of which the last is built. */
function overlay(page: string, ...files: string[]): { text: string; objects: KubeObject[] } {
  const shown = readFileSync(join(repository, page), 'utf8');
  const directory = temporaryDirectory();
  for (const file of files) {
    const block = shown.split('```yaml\n').find((it) => it.startsWith(`# ${file}\n`));
    if (block === undefined) throw new Error(`${page} shows no ${file}`);
    const path = join(directory, file);
    mkdirSync(join(path, '..'), { recursive: true });
    const deploy = relative(join(path, '..'), join(repository, 'deploy'));
    writeFileSync(path, block.slice(0, block.indexOf('```')).replaceAll('path/to/deploy', deploy));
  }
  const kubectl = join(binaryDirectory(), 'kubectl');
  const text = execFileSync(kubectl, ['kustomize', join(directory, 'overlay')], { encoding: 'utf8' });
  return { text, objects: loadAll(text) as KubeObject[] };
}

test('an overlay for another namespace moves the system, and leaves the namespaces beside it', () => {
  const files = ['overlay/system/kustomization.yaml', 'overlay/kustomization.yaml'];
  const { text, objects } = overlay('docs/operations.md', ...files);
  const named = (kind: string) =>
    objects.filter((it) => it.kind === kind).map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
  expect(named('Namespace').sort()).toEqual(['/monoroot-sources', '/monoroot-verification', '/os-images']);
  expect(named('Role').sort()).toEqual([
    'monoroot-sources/monoroot-agent',
    'os-images/monoroot-agent',
    'os-images/monoroot-operator',
  ]);
  expect(text).not.toContain('monoroot-system');
});

test('contrib/argocd is a component that adds health and actions to what argocd-cm has', () => {
  const directory = temporaryDirectory();
  const component = relative(directory, join(repository, 'contrib/argocd'));
  writeFileSync(
    join(directory, 'argocd-cm.yaml'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'argocd-cm', namespace: 'argocd' },
      data: { url: 'https://argocd.example.com' },
    }),
  );
  writeFileSync(
    join(directory, 'kustomization.yaml'),
    `resources: [argocd-cm.yaml]\ncomponents: [${component}]\nnamespace: argocd\n`,
  );
  const text = execFileSync(join(binaryDirectory(), 'kubectl'), ['kustomize', directory], { encoding: 'utf8' });
  const [map] = loadAll(text) as { metadata: { name: string }; data: Record<string, string> }[];
  expect(map?.metadata.name).toBe('argocd-cm');
  expect(map?.data['url']).toBe('https://argocd.example.com');
  const script = readFileSync(join(repository, 'contrib/argocd/health.lua'), 'utf8');
  for (const kind of ['HostedContainer', 'OSImage', 'ImageDistribution', 'NodeStore'])
    expect(map?.data[`resource.customizations.health.monoroot.dev_${kind}`]).toBe(script);
  expect(map?.data['resource.customizations.actions.monoroot.dev_ImageDistribution']).toContain('name: pause');
});

test('the page behind a proxy in its Pod: the Service and the policy lead to the proxy alone', () => {
  const { objects } = overlay('docs/dashboard.md', 'overlay/kustomization.yaml');
  const found = (kind: string) => objects.find((it) => it.kind === kind && it.metadata.name === 'monoroot-web');
  const pod = (found('Deployment') as Deployment | undefined)?.spec.template.spec;
  expect(pod?.containers.map(({ name }) => name).sort()).toEqual(['proxy', 'web']);
  const web = pod?.containers.find(({ name }) => name === 'web');
  expect(web?.env).toContainEqual({ name: 'LISTEN_ADDRESS', value: '127.0.0.1' });
  expect(web?.env).toContainEqual({ name: 'HOSTS', value: 'fleet.example.com' });
  expect(found('Service')).toMatchObject({ spec: { ports: [{ port: 9080, targetPort: 'proxy' }] } });
  expect(found('NetworkPolicy')).toMatchObject({
    spec: { ingress: [{ ports: [{ port: 'proxy' }] }, { ports: [{ port: 'health' }] }] },
  });
});

interface Deployment extends KubeObject {
  spec: { template: { spec: { containers: { name: string; env?: { name: string; value?: string }[] }[] } } };
}

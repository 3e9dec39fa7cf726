import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { blocks, indentedManifests, manifestFiles, pages } from '../../hack/lib/docs/pages.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { binaryDirectory } from '../fixtures/binaries.ts';

// Every manifest that the documentation shows is one that the API server takes as it stands.

/** Kinds whose definitions are others'. */
const foreign: Record<string, string> = {
  'kustomize.config.k8s.io/v1beta1':
    'read by kubectl kustomize; overlay.test.ts builds those of operations.md and dashboard.md',
  'kustomize.config.k8s.io/v1alpha1': 'read by kubectl kustomize',
  'kustomize.toolkit.fluxcd.io/v1': 'Flux',
  'argoproj.io/v1alpha1': 'Argo CD',
  'source.toolkit.fluxcd.io/v1': 'Flux',
  'helm.toolkit.fluxcd.io/v2': 'Flux',
  'notification.toolkit.fluxcd.io/v1beta3': 'Flux',
};

const kubectl = (args: string[], input = '') =>
  execFileSync(join(binaryDirectory(), 'kubectl'), ['--kubeconfig', inject('kubeconfig'), ...args], {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });

const shown = [
  ...manifestFiles('examples', 'contrib'),
  ...pages()
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap((page) => [
      ...blocks(page),
      ...indentedManifests({
        ...page,
        text: page.text.replaceAll(/^( *)```[^]*?^\1```$/gm, (block) => block.replaceAll(/[^\n]/g, '')),
      }),
    ])
    .filter(({ language }) => language === 'yaml'),
];
const isObject = (it: unknown): it is KubeObject =>
  typeof it === 'object' && it !== null && 'kind' in it && 'metadata' in it;
const objects = shown.flatMap(({ page, line, text }) =>
  loadAll(text)
    .filter(isObject)
    .map((object) => ({ where: `${page}:${line}`, object })),
);

beforeAll(() => {
  const namespaces = new Set(objects.flatMap(({ object }) => object.metadata.namespace ?? []));
  for (const name of namespaces) {
    try {
      kubectl(['create', 'namespace', name]);
    } catch (error) {
      if (!(error as { stderr: string }).stderr.includes('AlreadyExists')) throw error;
    }
  }
});

describe('a manifest of the documentation', () => {
  test.each(
    objects
      .filter(({ object }) => foreign[object.apiVersion] === undefined)
      .map(({ where, object }): [string, string, KubeObject] => [
        where,
        `${object.kind} ${object.metadata.name}`,
        object,
      ]),
  )('%s: the API server takes %s', (_where, _what, object) => {
    const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'];
    expect(kubectl(args, JSON.stringify(object))).toContain('serverside-applied');
  });

  test('there are as many as there were', () => {
    expect(objects.length).toBeGreaterThan(30);
    for (const { text, page, line } of shown) expect(() => loadAll(text), `${page}:${line}`).not.toThrow();
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { osImages } from '../../src/kube/kinds.ts';
import { defineResource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import { runForTest } from '../fixtures/cli.ts';
import { attemptsOf, http } from './api/attempts.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually } from './eventually.ts';

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
afterAll(() => connection.close());
const namespace = await createNamespace(client);

async function lintLive(text: string, ...argv: string[]) {
  const file = join(temporaryDirectory(), 'f.yaml');
  writeFileSync(file, text);
  const ran = await runForTest(['lint', '--live', file, '--kubeconfig', kubeconfig, ...argv], commands);
  return { ...ran, stdout: ran.stdout.replaceAll(file, 'f.yaml') };
}
const container = (name: string, image: string, where = namespace) => `apiVersion: monoroot.dev/v1alpha1
kind: HostedContainer
metadata: {name: ${name}, namespace: ${where}}
spec:
  image: ${image}
  command: [/bin/app]
  readinessProbe: {tcpSocket: {port: 80}}
`;

test('images of the cluster are known, and nothing is stored', async () => {
  await attemptsOf(client, osImages).create('lint.v1', { os: 'lint', version: 'v1', source: { http } });
  expect(await lintLive(container('web', 'lint:v1'))).toMatchObject({ code: 0, stdout: '1 object, no finding\n' });
  expect((await lintLive(container('web', 'lint:v2'))).stdout).toBe(
    'f.yaml:5: warning unknown-image: hostedcontainer/web: no OSImage of these files or the cluster is lint:v2\n',
  );
  const { code } = await runForTest(['why', 'hctr/web', '-n', namespace, '--kubeconfig', kubeconfig], commands);
  expect(code).toBe(2);
});

test('what is there already counts, so what may not change is found', async () => {
  await attemptsOf(client, osImages).create('lint.v3', { os: 'lint', version: 'v3', source: { http } });
  const changed = `apiVersion: monoroot.dev/v1alpha1
kind: OSImage
metadata: {name: lint.v3}
spec:
  os: lint
  version: v3
  source: {http: {url: ${http.url}, sha256: ${'b'.repeat(64)}}}
`;
  const { code, stdout } = await lintLive(changed);
  expect(code).toBe(1);
  expect(stdout).toContain('error server: osimage/lint.v3: ');
  expect(stdout).toContain('an OSImage is one immutable version');
});

test('what a file says wrongly is said once', async () => {
  const { code, stdout } = await lintLive(container('web', 'lint.v1'));
  expect([code, stdout]).toEqual([
    1,
    'f.yaml:5: error image-reference: hostedcontainer/web: spec.image is <os>:<version> such as lint:v1, not the name of the OSImage\n',
  ]);
});

test('the API server is not asked where nothing can be learnt from it, and that is said', async () => {
  const text = container('web', 'lint:v1', 'not-yet-there');
  expect((await lintLive(text)).stdout).toMatch(/^f.yaml:3: warning not-asked: .*create the namespace first\n$/);
  const { code, stdout } = await lintLive(container('web', 'lint:v1'), '--as', 'somebody');
  expect(code).toBe(0);
  expect(stdout).toContain('warning not-asked: hostedcontainer/web: you may not patch hostedcontainers');
});

test('admission policies have their say', async () => {
  const [policies, bindings] = ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'].map((plural) =>
    defineResource<KubeObject & { spec: object }>({
      group: 'admissionregistration.k8s.io',
      version: 'v1',
      plural,
      kind: plural === 'validatingadmissionpolicies' ? 'ValidatingAdmissionPolicy' : 'ValidatingAdmissionPolicyBinding',
      namespaced: false,
    }),
  );
  if (!policies || !bindings) throw new Error('There are two');
  const metadata = { name: `lint-${namespace}` };
  const rule = { apiGroups: ['monoroot.dev'], apiVersions: ['*'], operations: ['CREATE'], resources: ['hostedcontainers'] }; // prettier-ignore
  await client.create(policies, {
    metadata,
    spec: {
      matchConstraints: {
        resourceRules: [rule],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      },
      validations: [{ expression: "object.metadata.name != 'refused'", message: 'not this one' }],
    },
  });
  await client.create(bindings, { metadata, spec: { policyName: metadata.name, validationActions: ['Deny'] } });
  try {
    await eventually(async () => {
      const { code, stdout } = await lintLive(container('refused', 'lint:v1'));
      expect([code, stdout]).toEqual([1, expect.stringMatching(/error policy: .*not this one/)]);
    }, 60);
  } finally {
    await client.delete(bindings, metadata);
    await client.delete(policies, metadata);
  }
});

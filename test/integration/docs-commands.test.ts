import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pages, root, shownLines, words } from '../../hack/lib/docs/pages.ts';
import type { Shown } from '../../hack/lib/docs/pages.ts';
import { apiVersion } from '../../src/api/names.ts';
import { binaryDirectory } from '../fixtures/binaries.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';

// Every command of kubectl that a page shows is typed at a real API server: what reads and waits as it stands, what writes as a dry run.

const lines = shownLines(pages()).filter(({ line, inline }) => !inline && /^kubectl /.test(line));

/** Those that this test does not type, by the first rule that fits. */
const elsewhere: [RegExp, string][] = [
  [/^kubectl monoroot\b/, 'the plugin: hack/lib/docs/commands.test.ts'],
  [/^kubectl (apply|delete|kustomize).* overlay\b|-k overlay/, 'overlays: overlay.test.ts'],
  [/^kubectl (wait|apply) [a-z -]*:? [a-z]+ (one|asks|it)\b/, 'a sentence'],
];
/** Files that the reader makes in the step before. */
const files = ['ca.crt', 'cosign.key', 'cosign.password', 'policy.yaml'];
const made = ['nginx.yaml', 'nginx-v2.yaml', 'nginx-v3.yaml', 'image-v2.yaml', 'debian-12-v2.yaml', 'shop.yaml'];
const mutations = ['apply', 'create', 'patch', 'label', 'annotate', 'taint', 'scale', 'delete', 'set'];

const work = mkdtempSync(join(tmpdir(), 'monoroot-docs-'));
let cluster: TestCluster;

const kubectl = (args: readonly string[], input = '') =>
  execFileSync(join(binaryDirectory(), 'kubectl'), ['--kubeconfig', cluster.kubeconfig, ...args], {
    cwd: work,
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 60_000,
  });

/** What the steps before have made, in the words of the pages. */
function things(): object[] {
  const named = (kind: string, name: string, spec: object, namespace?: string) => ({
    apiVersion,
    kind,
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    spec,
  });
  const digest = `sha256:${'0'.repeat(64)}`;
  const source = { oci: { reference: `registry.example.com/os/any`, digest } };
  const versions = [['debian-12', 'v36'], ['nginx', 'v1'], ['nginx', 'v3']] as const; // prettier-ignore
  return [
    ...versions.map(([os, version]) => named('OSImage', `${os}.${version}`, { os, version, source })),
    ...['debian-12', 'nginx', 'postgresql-15'].map((os) => named('ImageDistribution', os, { image: `${os}:v1` })),
    ...['shop', 'ledger'].map((name) => named('HostedContainer', name, { image: 'nginx:v1' }, 'shops')),
    named('HostedContainer', 'web-1', { image: 'debian-12:v1' }, 'monoroot-demo'),
    ...['shops', 'monoroot-verification'].map((namespace) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } })), // prettier-ignore
  ];
}

beforeAll(async () => {
  cluster = await startTestCluster();
  kubectl(['apply', '--server-side', '-k', join(root, 'crds')]);
  kubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all']);
  for (const name of ['shops', 'monoroot-demo', 'monoroot-system', 'monoroot-sources', 'monoroot-verification'])
    kubectl(['create', 'namespace', name]);
  kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: things() }));
  for (const file of files) writeFileSync(join(work, file), file);
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  rmSync(work, { recursive: true, force: true });
});

const described = () => pages().filter(({ path }) => path.startsWith('docs/api/')).map(({ text }) => text).join('\n'); // prettier-ignore

/** What is wrong with a command; nothing when the API server would do what it asks for, once there are nodes and Pods. */
function fault({ line }: Shown): string | undefined {
  const typed = words(line.replaceAll('…', 'x')).slice(1);
  const verb = typed.find((it) => mutations.includes(it) || ['get', 'wait'].includes(it)) ?? typed[0] ?? '';
  const missing = typed.find((it, index) => typed[index - 1] === '-f' && /^examples\//.test(it) && !existsSync(join(root, it))); // prettier-ignore
  if (missing !== undefined) return `there is no ${missing}`;
  if (typed.some((it, index) => typed[index - 1] === '-f' && made.includes(it))) return undefined;
  const args = typed
    .map((it) => (it.startsWith('examples/') ? join(root, it) : it))
    .filter((it) => it !== '--watch' && it !== '-w')
    .map((it) => (it.startsWith('--timeout=') ? '--timeout=100ms' : it));
  const condition = typed.map((it) => /^--for=condition=(\w+)/.exec(it)?.[1]).find((it) => it !== undefined);
  if (condition !== undefined && !described().includes(`\`${condition}\``)) return `no page describes ${condition}`;
  try {
    const isWrite = mutations.includes(verb) && !typed.some((it) => it.startsWith('--dry-run'));
    kubectl(isWrite ? [...args, '--dry-run=server'] : args);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr: string };
    // Pods, nodes, Jobs and Leases of a running cluster, and what is NAME here.
    const isAbsent = /NotFound|not found|No resources found|no matching resources/.test(stderr);
    const isFuture = verb === 'wait' && stderr.includes('timed out');
    return isAbsent || isFuture ? undefined : stderr.trim();
  }
}

test('every command of kubectl is one that kubectl and the API server take', () => {
  const here = lines.filter(({ line }) => !elsewhere.some(([pattern]) => pattern.test(line)));
  expect(here.length).toBeGreaterThan(70);
  const wrong = here.flatMap((it) => {
    const why = fault(it);
    return why === undefined ? [] : [`${it.where}: ${it.line}: ${why}`];
  });
  expect(wrong).toEqual([]);
});

test('a command with a mistake is found', () => {
  const of = (line: string) => fault({ where: 'here', line, inline: false });
  expect(of('kubectl -n shops get hctr shop --wide')).toContain('unknown flag');
  expect(of('kubectl get hostedcontainer -A')).toBeUndefined();
  expect(of('kubectl get containers -A')).toContain("doesn't have a resource type");
  expect(of('kubectl -n shops wait hctr/shop --for=condition=Upgrade --timeout=2m')).toContain('no page describes');
  expect(of(`kubectl -n shops patch hctr shop --type=merge -p '{"spec":{"image":"nginx.v2"}}'`)).toContain(
    'spec.image',
  );
  expect(of('kubectl apply -f examples/none.yaml')).toBe('there is no examples/none.yaml');
});

test('the files that pages apply are those of the pages', () => {
  const shown = pages().map(({ text }) => text).join('\n'); // prettier-ignore
  for (const file of made) expect(shown).toContain(file);
  expect(readFileSync(join(work, 'ca.crt'), 'utf8')).toBe('ca.crt');
});

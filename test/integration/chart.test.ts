import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kinds } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { binaryDirectory } from '../fixtures/binaries.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';

// charts/monoroot with real Helm 3 and 4, rendered and installed into a real API server (without nodes, so nothing starts).
const root = join(import.meta.dirname, '../..');
const chart = join(root, 'charts/monoroot');
const scratch = mkdtempSync(join(tmpdir(), 'monoroot-chart-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const program = (name: string, args: string[], kubeconfig = '/dev/null') =>
  execFileSync(join(binaryDirectory(), name), args, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      HELM_CACHE_HOME: scratch,
      HELM_CONFIG_HOME: scratch,
      HELM_DATA_HOME: scratch,
    },
  });

/** What a Helm that must fail says. */
function refusal(helm: string, args: string[], kubeconfig?: string): string {
  try {
    program(helm, args, kubeconfig);
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  throw new Error(`${helm} ${args.join(' ')} was not refused`);
}

// A Helm that is built from its module takes an old Kubernetes for the one to render for.
const kubernetes = ['--kube-version', '1.37.0'];
const render = (helm: string, namespace: string, ...args: string[]): string =>
  program(helm, ['template', 'monoroot', chart, '--namespace', namespace, '--skip-tests', ...kubernetes, ...args]);

const optional = ['networkPolicy', 'priorityClassQuota', 'monitoring', 'directMounts', 'web'];
const everything = optional.flatMap((name) => ['--set', `${name}.enabled=true`]);

/** deploy/ with its components, as kubectl builds it. */
function kustomized(): string {
  const overlay = join(scratch, 'kustomization.yaml');
  const path = (directory: string) => relative(scratch, join(root, 'deploy', directory));
  const names = ['network-policy', 'flow-control', 'priority-class-quota', 'monitoring', 'direct-mounts', 'web'];
  const components = names.map((name) => path(`components/${name}`));
  writeFileSync(overlay, JSON.stringify({ resources: [path('.')], components }));
  return program('kubectl', ['kustomize', scratch]);
}

/** The objects of a text of YAML by kind and name; what the two ways of installing differ in, on purpose, is made equal. */
function objects(text: string): Map<string, unknown> {
  const own = "namespaceObject.metadata.?labels[?'monoroot.dev/system'].orValue('')";
  const same = (object: KubeObject) =>
    JSON.parse(
      JSON.stringify(object)
        .replaceAll(`${own} == 'true'`, "namespaceObject.metadata.name == 'monoroot-system'")
        .replaceAll(`${own} != 'true'`, "namespaceObject.metadata.name != 'monoroot-system'"),
    ) as unknown;
  const all = (loadAll(text) as (KubeObject | null)[]).filter((object) => object !== null);
  return new Map(
    all
      .map((object): [string, unknown] => {
        const { namespace = '', name } = object.metadata;
        return [`${object.kind} ${namespace}/${name}`, same(object)];
      })
      .filter(([key]) => key !== 'Namespace /monoroot-system')
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe.each(['helm3', 'helm4'])('with %s the chart', (helm) => {
  test('installs exactly what kubectl installs from deploy/', () => {
    expect(objects(render(helm, 'monoroot-system', ...everything))).toEqual(objects(kustomized()));
  });

  test('names no other namespace than that of the release', () => {
    const text = render(helm, 'os-hosting', ...everything);
    expect(text).not.toContain('monoroot-system');
    expect(text).toContain("namespaceObject.metadata.name == 'os-hosting'");
  });

  test('leaves out what its values leave out', () => {
    const off = ['crds', 'policies', 'userRoles'].flatMap((name) => ['--set', `${name}.enabled=false`]);
    const names = [...objects(render(helm, 'monoroot-system', ...off)).keys()].join('\n');
    expect(names).not.toMatch(
      /CustomResourceDefinition|ValidatingAdmissionPolicy|monoroot-view|NetworkPolicy|ResourceQuota/,
    );
    expect(names).not.toMatch(/monoroot-web|monoroot-mounts/);
    expect(names).toContain('DaemonSet monoroot-system/monoroot-agent');
  });

  test('takes images by digest from a registry of one’s own, with its login', () => {
    const digest = `sha256:${'ab'.repeat(32)}`;
    const images = ['monoroot', 'builder', 'scaffoldMerged', 'scaffoldSplit'];
    const text = render(helm, 'x', '--set', 'imageRegistry=mirror.example:5000/os', '--set', 'imagePullSecrets[0].name=login',
      ...images.flatMap((name) => ['--set', `images.${name}.digest=${digest}`])); // prettier-ignore
    expect(text).not.toContain('localhost/');
    for (const name of ['monoroot', 'monoroot-builder', 'monoroot-scaffold-merged', 'monoroot-scaffold-split']) {
      expect(text).toContain(`mirror.example:5000/os/${name}@${digest}`);
    }
    expect(text.match(/imagePullSecrets: \[\{"name":"login"\}\]/g)).toHaveLength(2);
  });

  test.each([
    ['operator.replicas=0', 'replicas'],
    ['operator.replica=3', 'replica'],
    ['agent.minFree=lots', 'minFree'],
    ['agent.logLevel=loud', 'logLevel'],
    ['operator.additionalCapabilities={SYS_ADMIN}', 'additionalCapabilities'],
    ['images.monoroot.digest=sha256:12', 'digest'],
    ['images.monoroot.tag=', 'monoroot'],
    ['imagePullSecrets={login}', 'imagePullSecrets'],
    ['agents.minFree=1Gi', 'agents'],
    ['web.listenAddress=everywhere', 'listenAddress'],
    ['operator.defaultMounts=direct', 'defaultMounts'],
    ['directMounts.containerdState=run', 'containerdState'],
    ['web.hosts={https://page.example/}', 'hosts'],
    ['agent.resources=null', 'resources'],
  ])('refuses %s', (value, named) => {
    const said = refusal(helm, ['template', 'monoroot', chart, ...kubernetes, '--set', value]);
    expect(said).toContain('values don');
    expect(said).toContain(named);
  });

  test('has nothing for the linter to find', () => {
    expect(program(helm, ['lint', '--strict', ...kubernetes, chart])).toContain('0 chart(s) failed');
  });
});

describe.each(['helm3', 'helm4'])('a release of %s', (helm) => {
  let cluster: TestCluster;
  const namespace = 'os-hosting';
  const helmRun = (...args: string[]) => program(helm, [...args, '--namespace', namespace], cluster.kubeconfig);
  const kubectl = (...args: string[]) => program('kubectl', args, cluster.kubeconfig).trim();
  const replicas = () =>
    kubectl('-n', namespace, 'get', 'deployment/monoroot-operator', '-o', 'jsonpath={.spec.replicas}');
  const condemned = {
    apiVersion: 'monoroot.dev/v1alpha1',
    kind: 'OSImage',
    metadata: { name: 'os.v1' },
    spec: {
      os: 'os',
      version: 'v1',
      source: { http: { url: 'https://files.example/os.tar', sha256: 'ab'.repeat(32) } },
    },
  };

  beforeAll(async () => {
    cluster = await startTestCluster();
  });
  afterAll(() => cluster.stop());

  test('is installed, upgraded, taken back and uninstalled, and what people wrote stays', { timeout: 300_000 }, () => {
    helmRun('install', 'monoroot', chart, '--create-namespace');
    for (const { plural } of kinds) kubectl('wait', '--for=condition=Established', `crd/${plural}.monoroot.dev`);
    writeFileSync(join(scratch, 'image.json'), JSON.stringify(condemned));
    kubectl('create', '-f', join(scratch, 'image.json'));
    expect(replicas()).toBe('2');

    helmRun('upgrade', 'monoroot', chart, '--set', 'operator.replicas=3');
    expect(replicas()).toBe('3');
    helmRun('rollback', 'monoroot', '1');
    expect(replicas()).toBe('2');

    helmRun('uninstall', 'monoroot');
    expect(kubectl('-n', namespace, 'get', 'deployments,daemonsets', '-o', 'name')).toBe('');
    expect(kubectl('get', 'validatingadmissionpolicies', '-o', 'name')).toBe('');
    expect(kubectl('get', 'osimages', '-o', 'name')).toBe('osimage.monoroot.dev/os.v1');
    expect(kubectl('get', 'namespace/monoroot-sources', '-o', 'jsonpath={.status.phase}')).toBe('Active');

    helmRun('install', 'monoroot', chart);
    expect(kubectl('get', 'osimages', '-o', 'name')).toBe('osimage.monoroot.dev/os.v1');
  });

  test('is refused beside another one, as policies and roles are those of the cluster', () => {
    expect(
      refusal(helm, ['install', 'second', chart, '-n', 'second', '--create-namespace'], cluster.kubeconfig),
    ).toContain('monoroot');
    expect(replicas()).toBe('2');
  });

  test('takes over what kubectl installed', { timeout: 300_000 }, () => {
    helmRun('uninstall', 'monoroot');
    kubectl('apply', '--server-side', '-k', join(root, 'deploy'));
    const uid = [
      '-n',
      'monoroot-system',
      'get',
      'daemonset/monoroot-agent',
      '-o',
      'jsonpath={.metadata.uid} {.metadata.generation}',
    ];
    const before = kubectl(...uid);
    const args = ['install', 'monoroot', chart, '-n', 'monoroot-system', '--take-ownership'];
    program(helm, helm === 'helm4' ? [...args, '--force-conflicts'] : args, cluster.kubeconfig);
    expect(kubectl(...uid)).toBe(before);
  });
});

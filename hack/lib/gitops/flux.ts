import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { freePort } from '../../../test/fixtures/free-port.ts';
import { defineResource } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { Condition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import type { Kubectl } from '../kube/kubectl.ts';
import { establish, moduleDirectory, start } from './tool.ts';
import type { Judgement, Started, Tool } from './tool.ts';

// The controllers of Flux as programs of this machine, with the manifests of contrib/flux.

const namespace = 'flux-system';
const contrib = join(import.meta.dirname, '../../../contrib/flux');

interface Kustomization extends KubeObject {
  status?: { conditions?: Condition[]; lastAttemptedRevision?: string };
}
const kustomizations = defineResource<Kustomization>({
  group: 'kustomize.toolkit.fluxcd.io',
  version: 'v1',
  plural: 'kustomizations',
  kind: 'Kustomization',
  namespaced: true,
});

type Manifest = KubeObject & { kind: string; spec: Record<string, unknown> };
const manifests = (file: string) => loadAll(readFileSync(join(contrib, file), 'utf8')) as Manifest[];

/** Starts the controllers of sources and of Kustomizations; resolves when they serve. */
export async function startFlux(kubectl: Kubectl): Promise<Tool> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-flux-'));
  const running: Started[] = [];
  const modules = ['source-controller', 'kustomize-controller'];
  const crds = modules.map((name) => join(moduleDirectory(name, `github.com/fluxcd/${name}`), 'config/crd/bases'));
  await establish(kubectl, crds);
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }], 'conformance');
  const storage = await freePort();
  mkdirSync(join(directory, 'artifacts'));
  for (const name of modules) {
    const health = await freePort();
    const args = [
      `--metrics-addr=127.0.0.1:${await freePort()}`,
      `--health-addr=127.0.0.1:${health}`,
      '--events-addr=',
      '--log-level=info',
      ...(name === 'source-controller'
        ? [
            `--storage-path=${join(directory, 'artifacts')}`,
            `--storage-addr=127.0.0.1:${storage}`,
            `--storage-adv-addr=127.0.0.1:${storage}`,
          ]
        : []),
    ];
    const env = { ...kubectl.env, RUNTIME_NAMESPACE: namespace, TMPDIR: directory };
    running.push(await start(name, args, { env, directory, url: `http://127.0.0.1:${health}/healthz` }));
  }
  return {
    async follow(git) {
      const repository = {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata: { name: namespace, namespace },
        spec: { url: git.url, ref: { branch: 'main' }, interval: '5s' },
      };
      const short = { interval: '10s', retryInterval: '10s', timeout: '3m' };
      const own = manifests('cluster.yaml').filter(({ kind }) => kind === 'Kustomization');
      const all = own.map((object) => ({ ...object, spec: { ...object.spec, ...short } }));
      await kubectl.apply([repository, ...all], 'conformance');
    },
    async judge(): Promise<Judgement> {
      const object = await kubectl.get(kustomizations, { name: 'shops', namespace });
      const ready = findCondition(object?.status?.conditions, 'Ready');
      const commit = object?.status?.lastAttemptedRevision?.split(':').at(-1) ?? '';
      const message = `${ready?.reason ?? 'no status'}: ${ready?.message ?? ''}`;
      if (ready?.status === 'True') return { health: 'Healthy', commit, message };
      return { health: ready?.reason === 'HealthCheckFailed' ? 'Degraded' : 'Progressing', commit, message };
    },
    rounds() {
      const log = readFileSync(running[1]?.log ?? '', 'utf8');
      return log.split('\n').filter((line) => /Reconciliation (finished|failed)/.test(line) && line.includes('"shops"'))
        .length;
    },
    async stop() {
      for (const it of running) await it.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

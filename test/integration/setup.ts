import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { TestProject } from 'vitest/node';
import { createClient } from '../../src/kube/client.ts';
import type { Client } from '../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../src/kube/connection.ts';
import { defineResource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { startTestCluster } from './apiserver.ts';
import { eventually } from './eventually.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of an administrator's kubeconfig for the API server that all tests share. */
    kubeconfig: string;
    /** Its URL. */
    apiServerUrl: string;
  }
}

/** One API server for the whole run, with the CRDs of this repository; every test uses a namespace of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startTestCluster();
  try {
    await installCrds(cluster.kubeconfig, join(import.meta.dirname, '../../crds'));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  project.provide('kubeconfig', cluster.kubeconfig);
  project.provide('apiServerUrl', cluster.url);
  return () => cluster.stop();
}

export interface Crd extends KubeObject {
  spec: object;
  status?: { conditions?: { type: string; status: string }[] };
}

export const crds = defineResource<Crd>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
});

/** Applies every CustomResourceDefinition of a directory and waits until the API server serves it. */
export async function installCrds(kubeconfig: string, directory: string): Promise<void> {
  const connection = createConnection({ config: loadKubeConfig({ path: kubeconfig }), userAgent: 'test-setup' });
  const client = createClient(connection);
  const files = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
  try {
    for (const file of files) {
      for (const crd of loadAll(readFileSync(join(directory, file), 'utf8')) as Crd[]) {
        if (crd.kind !== crds.kind) continue;
        await client.apply(crds, crd, { fieldManager: 'test-setup' });
        await waitUntilEstablished(client, crd.metadata.name);
      }
    }
  } finally {
    await connection.close();
  }
}

/** Waits until the API server serves the kind. */
export function waitUntilEstablished(client: Client, name: string): Promise<void> {
  return eventually(async () => {
    const crd = await client.get(crds, { name });
    const established = crd?.status?.conditions?.find(({ type }) => type === 'Established');
    if (established?.status !== 'True') throw new Error(`CustomResourceDefinition ${name} is not established`);
  });
}

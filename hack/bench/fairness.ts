// How long calls of the operator wait at an API server that others crowd, with the component flow-control and without, in turn; and
// how long calls of another service account wait when it is the operator that crowds it. The API server is the bench's own, with few
// places, so that a crowd of this machine fills it.
// Usage: hack/bench/fairness [--crowd 150] [--calls 100] [--rounds 2]
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createClient } from '../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../src/kube/connection.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { defineResource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { startTestCluster } from '../../test/integration/apiserver.ts';
import {
  applyManifests,
  configAs,
  manifests,
  serviceAccounts,
  systemNamespace,
} from '../../test/integration/manifests.ts';
import { numberOf, readOptions } from '../lib/options.ts';
import { forEach } from './fleet/objects.ts';
import { median, printResult, printSides } from './lib.ts';

const about = {
  name: 'hack/bench/fairness',
  does: 'How long calls of the operator wait at a crowded API server, with its priority level and without.',
};
const options = readOptions(about, {
  crowd: { type: 'string', default: '150' },
  calls: { type: 'string', default: '100' },
  rounds: { type: 'string', default: '2' },
});
const [crowd, calls, rounds] = [options.crowd, options.calls, options.rounds].map((it, i) =>
  numberOf(about, ['crowd', 'calls', 'rounds'][i] ?? '', it),
) as [number, number, number];

const configMaps = defineResource<KubeObject>({ group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }); // prettier-ignore
const flowControl = 'components/flow-control/flow-control.yaml';
const list = `/api/v1/namespaces/${systemNamespace}/configmaps`;
const one = `${list}/crowd-0000`;

const cluster = await startTestCluster({
  apiServerFlags: ['--max-requests-inflight=16', '--max-mutating-requests-inflight=8'],
});
const connections: Connection[] = [];
const connectWith = (config: ReturnType<typeof loadKubeConfig>) => {
  const connection = createConnection({ config, userAgent: 'bench', timeoutSeconds: 60 });
  connections.push(connection);
  return connection;
};
try {
  const admin = connectWith(loadKubeConfig({ path: cluster.kubeconfig }));
  const client = createClient(admin);
  await applyManifests(client, 'operator-rbac.yaml');
  for (const name of ['tenant', 'monoroot-operator']) {
    const metadata = { name, namespace: systemNamespace };
    await client.apply(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata } as KubeObject, { fieldManager: 'bench' }); // prettier-ignore
  }
  await grantReading(admin);
  await forEach([...Array(1000).keys()], 8, (i) =>
    client.create(configMaps, {
      metadata: { name: `crowd-${String(i).padStart(4, '0')}`, namespace: systemNamespace },
      ...{ data: { text: 'x'.repeat(4096) } },
    }),
  );
  const configOf = (name: string) => configAs(cluster.kubeconfig, admin, name, { expirationSeconds: 3600 });
  const [operator, tenant] = [await configOf('monoroot-operator'), await configOf('tenant')];

  const seen = { shared: [] as number[], own: [] as number[], tenantShared: [] as number[], tenantOwn: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    await removeFlowControl(admin);
    seen.shared.push(...(await waits(operator, tenant)));
    seen.tenantShared.push(...(await waits(tenant, operator)));
    await applyManifests(client, flowControl);
    seen.own.push(...(await waits(operator, tenant)));
    seen.tenantOwn.push(...(await waits(tenant, operator)));
  }
  printSides('ms', [
    { name: 'operator in a crowd, with its level', values: seen.own },
    { name: 'operator in a crowd, without', values: seen.shared },
    { name: 'another account, the operator crowds, with its level', values: seen.tenantOwn },
    { name: 'another account, the operator crowds, without', values: seen.tenantShared },
  ]);
  const [ours, theirs] = [median(seen.own), median(seen.shared)];
  const tenantRatio = median(seen.tenantOwn) / median(seen.tenantShared);
  printResult({
    bench: 'fairness',
    ratio: ours / theirs,
    ours,
    theirs,
    unit: 'ms',
    runs: calls * rounds,
    tenantRatio,
    crowd,
  });
} finally {
  await Promise.all(connections.map((it) => it.close()));
  await cluster.stop();
}

type Config = ReturnType<typeof loadKubeConfig>;

/** Milliseconds that each of some calls took, while another account has a crowd of lists under way. */
async function waits(who: Config, others: Config): Promise<number[]> {
  // The API server reads FlowSchemas a moment after they were changed.
  await delay(2000);
  const workerData = { config: others.exportConfig(), list, crowd };
  const worker = new Worker(new URL('./fleet/crowd.ts', import.meta.url), { workerData });
  try {
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const connection = connectWith(who);
    const times: number[] = [];
    for (let i = 0; i < calls; i++) {
      const from = performance.now();
      await connection.request({ method: 'GET', path: one });
      times.push(performance.now() - from);
    }
    return times;
  } finally {
    await worker.terminate();
  }
}

/** Both accounts may read ConfigMaps here, so that their calls are alike. */
async function grantReading(admin: Connection): Promise<void> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${systemNamespace}`;
  const post = (plural: string, body: object) =>
    admin.request({ method: 'POST', path: `${rbac}/${plural}`, body: JSON.stringify({ apiVersion: 'rbac.authorization.k8s.io/v1', ...body }) }); // prettier-ignore
  const metadata = { name: 'bench-reader' };
  await post('roles', {
    kind: 'Role',
    metadata,
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] }],
  });
  await post('rolebindings', {
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
    subjects: ['tenant', 'monoroot-operator'].map((name) => ({
      kind: 'ServiceAccount',
      name,
      namespace: systemNamespace,
    })),
  });
}

async function removeFlowControl(admin: Connection): Promise<void> {
  for (const { kind, metadata } of manifests(flowControl)) {
    const plural = kind === 'FlowSchema' ? 'flowschemas' : 'prioritylevelconfigurations';
    const path = `/apis/flowcontrol.apiserver.k8s.io/v1/${plural}/${metadata.name}`;
    await admin.request({ method: 'DELETE', path }).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 404)) throw error;
    });
  }
}

import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { fieldManagers } from '../../src/api/names.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { connect } from './environment.ts';
import { eventually } from './eventually.ts';
import { applyManifests, connectAs, systemNamespace } from './manifests.ts';

// Which level the API server itself gives to requests of ours: its counters of dispatched requests.
const { connection, client } = connect(inject('kubeconfig'));
const connections: Connection[] = [connection];
afterAll(() => Promise.all(connections.map((it) => it.close())));
beforeAll(async () => {
  await applyManifests(client, 'operator-rbac.yaml', 'agent-rbac.yaml', 'components/flow-control/flow-control.yaml');
});

/** How many requests of a FlowSchema were dispatched at a level so far. */
async function dispatched(schema: string, level: string): Promise<number> {
  const metrics = await connection.request({ method: 'GET', path: '/metrics' });
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith('apiserver_flowcontrol_dispatched_requests_total{'));
  return lines
    .filter((line) => line.includes(`flow_schema="${schema}"`) && line.includes(`priority_level="${level}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const lease = `/apis/coordination.k8s.io/v1/namespaces/${systemNamespace}/leases/monoroot-operator`;
test.each([
  ['monoroot-operator', '/apis/monoroot.dev/v1alpha1/osimages', 'monoroot-operator', 'monoroot'],
  ['monoroot-agent', '/apis/monoroot.dev/v1alpha1/nodestores', 'monoroot-agents', 'monoroot'],
  ['monoroot-operator', lease, 'monoroot-leader-election', 'leader-election'],
  // Whoever is neither has what service accounts have.
  ['default', '/api/v1/namespaces', 'service-accounts', 'workload-low'],
])('requests of %s for %s have the FlowSchema %s and the level %s', async (account, path, schema, level) => {
  if (account === 'default')
    await connection.request({
      method: 'PATCH',
      path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/default`,
      query: { fieldManager: fieldManagers.operator, force: true },
      contentType: 'application/apply-patch+yaml',
      body: JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }),
    });
  const by = await connectAs(inject('kubeconfig'), connection, account);
  connections.push(by);
  const before = await dispatched(schema, level);
  // The API server reads a new FlowSchema a moment later. Whether it then refuses the request is of no matter here.
  await eventually(async () => {
    await by.request({ method: 'GET', path }).catch(() => undefined);
    expect(await dispatched(schema, level)).toBeGreaterThan(before);
  });
});

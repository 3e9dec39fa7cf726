import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ownNodePrecondition } from '../../src/agent/policy-check.ts';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import { systemNamespace, verificationNamespace } from '../../src/api/names.ts';
import { policyPreconditions } from '../../src/controllers/policy-check.ts';
import { createClient } from '../../src/kube/client.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { defineResource, nodes, pods } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';
import { connect } from './environment.ts';
import { eventually, patience } from './eventually.ts';
import { applyManifests, configAs, connectAs, policyBindings } from './manifests.ts';
import { installCrds } from './setup.ts';
import { freePort } from '../fixtures/free-port.ts';

// An API server of its own, because the policies come and go.
let cluster: TestCluster;
let admin: ReturnType<typeof connect>;
const connections: Connection[] = [];
const leases = defineResource<KubeObject>({
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
});
const rights = ['operator-rbac.yaml', 'agent-rbac.yaml', 'sources/rbac.yaml'];

beforeAll(async () => {
  cluster = await startTestCluster();
  admin = connect(cluster.kubeconfig);
  await installCrds(cluster.kubeconfig, join(import.meta.dirname, '../../crds'));
  await applyManifests(admin.client, ...rights);
});
afterAll(async () => {
  await Promise.all([...connections, admin.connection].map((it) => it.close()));
  await cluster.stop();
});

const bind = (actions: string[]) => (name: string) =>
  admin.client.mergePatch(policyBindings, { name }, { spec: { validationActions: actions } });

describe('an operator', () => {
  /** The program itself, with the token of its account. */
  async function start(env: Record<string, string> = {}) {
    const token = { expirationSeconds: 3600 };
    const config = await configAs(cluster.kubeconfig, admin.connection, 'monoroot-operator', token);
    const kubeconfig = join(temporaryDirectory(), 'kubeconfig');
    writeFileSync(kubeconfig, config.exportConfig());
    const port = await freePort();
    const program = spawn(process.execPath, [join(import.meta.dirname, '../../src/cmd/operator.ts')], {
      env: {
        PATH: process.env['PATH'],
        KUBECONFIG: kubeconfig,
        SCAFFOLD_MERGED: 'x',
        SCAFFOLD_SPLIT: 'x',
        BUILDER_IMAGE: 'x',
        HEALTH_PORT: String(port),
        LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
        ...env,
      },
      stdio: 'inherit',
    });
    onTestFinished(async () => {
      if (program.exitCode !== null) return;
      const ended = new Promise((resolve) => program.once('exit', resolve));
      program.kill('SIGTERM');
      await ended;
    });
    const page = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    return { page };
  }
  const lease = () => admin.client.get(leases, { namespace: systemNamespace, name: 'monoroot-operator' });

  test('leads only when the policies hold, says which does not, and goes on when it does', async () => {
    const { page } = await start();
    await eventually(async () => {
      const ready = await page('/readyz');
      expect(ready.status).toBe(500);
      expect(ready.text).toContain('The policy monoroot-store-read-only does not hold, so Pods can write');
    });
    expect((await page('/metrics')).text).toContain('precondition_met{name="monoroot-store-read-only"} 0');
    expect(await lease()).toBeUndefined();
    await applyManifests(admin.client, 'policies.yaml');
    await eventually(async () => {
      expect((await page('/readyz')).status).toBe(200);
      expect(await lease()).toBeDefined();
    });
    expect((await page('/metrics')).text).toContain('precondition_met{name="monoroot-tenant-pods"} 1');
  });

  test('finds each policy that is there and denies nothing', async () => {
    await applyManifests(admin.client, 'policies.yaml');
    const connected = await connectAs(cluster.kubeconfig, admin.connection, 'monoroot-operator');
    connections.push(connected);
    const namespaces = { namespace: systemNamespace, verificationNamespace };
    const preconditions = policyPreconditions(createClient(connected), namespaces);
    for (const { name, check } of preconditions) {
      await eventually(async () => expect(await check(patience())).toBeUndefined());
      await bind(['Warn', 'Audit'])(name);
      await eventually(async () => expect(await check(patience())).toContain(`The policy ${name} does not hold`));
      await bind(['Deny'])(name);
    }
  });

  test('cannot tell in a namespace that is not there', async () => {
    const namespaces = { namespace: systemNamespace, verificationNamespace: 'not-there' };
    const [first] = policyPreconditions(admin.client, namespaces);
    await expect(first?.check(AbortSignal.timeout(10_000))).rejects.toThrow('not-there');
  });
});

test('an agent finds that its token speaks for other nodes', async () => {
  await applyManifests(admin.client, 'policies.yaml');
  await admin.client.create(nodes, { metadata: { name: 'own' } });
  const spec = { serviceAccountName: 'monoroot-agent', nodeName: 'own', containers: [{ name: 'agent', image: 'x' }] };
  const pod = await admin.client.create(pods, { metadata: { name: 'agent', namespace: systemNamespace }, spec });
  const connected = await connectAs(cluster.kubeconfig, admin.connection, 'monoroot-agent', { pod });
  connections.push(connected);
  const { check, name } = ownNodePrecondition(createClient(connected), 'own');
  await admin.client.create(nodeStores, { metadata: { name: 'own' }, spec: { images: [] } });
  await bind(['Audit'])(name);
  expect(await check(patience())).toBeUndefined();
  await admin.client.create(nodeStores, { metadata: { name: 'other' }, spec: { images: [] } });
  await eventually(async () => expect(await check(patience())).toContain('speaks for all nodes'));
  await bind(['Deny'])(name);
  await eventually(async () => expect(await check(patience())).toBeUndefined());
});

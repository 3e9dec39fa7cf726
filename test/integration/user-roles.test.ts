import { afterAll, beforeAll, expect, test } from 'vitest';
import { group } from '../../src/api/names.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';
import { startControllerManager } from './controller-manager.ts';
import { connect } from './environment.ts';
import { eventually } from './eventually.ts';
import { applyManifests } from './manifests.ts';

// The roles of deploy/user-roles.yaml, asked of a real API server whose controller manager aggregates the roles of Kubernetes.
let cluster: TestCluster;
let connection: Connection;
let controllers: { stop(): Promise<void> };
const namespace = 'shop';

beforeAll(async () => {
  cluster = await startTestCluster();
  const connected = connect(cluster.kubeconfig);
  connection = connected.connection;
  await applyManifests(connected.client, 'user-roles.yaml');
  controllers = startControllerManager(cluster.kubeconfig, 'clusterrole-aggregation-controller');
  for (const role of ['view', 'edit', 'admin']) await bind(role, `ns-${role}`, namespace);
  for (const role of ['monoroot-reader', 'monoroot-image-admin']) await bind(role, role);
  await eventually(async () => expect(await may('ns-admin', 'create', 'hostedcontainers', namespace)).toBe(true));
});
afterAll(async () => {
  await controllers.stop();
  await connection.close();
  await cluster.stop();
});

/** Gives a user the role, in one namespace or everywhere. */
async function bind(role: string, user: string, at?: string): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const path = at === undefined ? `${rbac}/clusterrolebindings` : `${rbac}/namespaces/${at}/rolebindings`;
  if (at !== undefined) {
    const made = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: at } };
    await connection
      .request({ method: 'POST', path: '/api/v1/namespaces', body: JSON.stringify(made) })
      .catch(() => '');
  }
  const body = JSON.stringify({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: at === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
  await connection.request({ method: 'POST', path, body });
}

/** Whether the API server lets the user do that. */
async function may(user: string, verb: string, what: string, at?: string): Promise<boolean> {
  const [resource, subresource] = what.split('/');
  const resourceAttributes = { group, version: '*', resource, subresource, verb, namespace: at };
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes },
  };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  const answer = await connection.request({ method: 'POST', path, body: JSON.stringify(body) });
  return (JSON.parse(answer) as { status: { allowed: boolean } }).status.allowed;
}

test.each([
  ['ns-view', 'list', 'hostedcontainers', true],
  ['ns-view', 'create', 'hostedcontainers', false],
  ['ns-view', 'patch', 'hostedcontainers/scale', false],
  ['ns-edit', 'list', 'hostedcontainers', true],
  ['ns-edit', 'create', 'hostedcontainers', true],
  ['ns-edit', 'delete', 'hostedcontainers', true],
  ['ns-edit', 'patch', 'hostedcontainers/status', false],
  ['ns-admin', 'patch', 'hostedcontainers', true],
  ['monoroot-reader', 'list', 'hostedcontainers', false],
])('%s, who may %s %s in the namespace: %s', async (user, verb, what, allowed) => {
  expect(await may(user, verb, what, namespace)).toBe(allowed);
  if (user.startsWith('ns-')) expect(await may(user, verb, what, 'elsewhere')).toBe(false);
});

test.each([
  ['ns-admin', 'list', 'osimages', false],
  ['ns-edit', 'create', 'osimages', false],
  ['ns-edit', 'patch', 'osimages', false],
  ['ns-edit', 'patch', 'nodestores', false],
  ['monoroot-reader', 'list', 'osimages', true],
  ['monoroot-reader', 'watch', 'imagedistributions', true],
  ['monoroot-reader', 'get', 'nodestores', true],
  ['monoroot-reader', 'patch', 'osimages', false],
  ['monoroot-image-admin', 'create', 'osimages', true],
  ['monoroot-image-admin', 'patch', 'imagedistributions', true],
  ['monoroot-image-admin', 'list', 'hostedcontainers', true],
  ['monoroot-image-admin', 'patch', 'nodestores', false],
  ['monoroot-image-admin', 'create', 'hostedcontainers', false],
])('%s, who may %s %s of the cluster: %s', async (user, verb, what, allowed) => {
  expect(await may(user, verb, what)).toBe(allowed);
});

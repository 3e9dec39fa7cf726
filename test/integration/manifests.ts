import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { Client } from '../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../src/kube/connection.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { defineResource, namespaces } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';

export const systemNamespace = 'monoroot-system';

const resource = (group: string, plural: string, kind: string, namespaced: boolean) =>
  defineResource<KubeObject>({ group, version: 'v1', plural, kind, namespaced });
const rbac = 'rbac.authorization.k8s.io';
const admission = 'admissionregistration.k8s.io';
const flowControl = 'flowcontrol.apiserver.k8s.io';
export const policyBindings = resource(
  admission,
  'validatingadmissionpolicybindings',
  'ValidatingAdmissionPolicyBinding',
  false,
);
export const serviceAccounts = resource('', 'serviceaccounts', 'ServiceAccount', true);
const applicable = [
  resource(admission, 'validatingadmissionpolicies', 'ValidatingAdmissionPolicy', false),
  policyBindings,
  resource(flowControl, 'prioritylevelconfigurations', 'PriorityLevelConfiguration', false),
  resource(flowControl, 'flowschemas', 'FlowSchema', false),
  resource(rbac, 'clusterroles', 'ClusterRole', false),
  resource(rbac, 'clusterrolebindings', 'ClusterRoleBinding', false),
  resource(rbac, 'roles', 'Role', true),
  resource(rbac, 'rolebindings', 'RoleBinding', true),
  serviceAccounts,
];

/** The objects of one file of deploy/. */
export const manifests = (file: string): KubeObject[] =>
  loadAll(readFileSync(join(import.meta.dirname, '../../deploy', file), 'utf8')) as KubeObject[];

/** Makes the namespaces of deploy/, with their labels. */
async function applyNamespaces(client: Client): Promise<void> {
  for (const { metadata } of ['namespace.yaml', 'verification/namespace.yaml', 'sources/namespace.yaml'].flatMap(
    manifests,
  ))
    await client.apply(namespaces, { metadata: { name: metadata.name, labels: metadata.labels } }, fieldManager);
}
const fieldManager = { fieldManager: 'test' };

/** Applies files of deploy/ that hold rights, policies and service accounts, after making the namespace for them. */
export async function applyManifests(client: Client, ...files: string[]): Promise<void> {
  await applyNamespaces(client);
  for (const object of files.flatMap(manifests)) {
    const found = applicable.find(({ kind }) => kind === object.kind);
    if (!found) throw new Error(`deploy/ has a ${object.kind}, which this helper does not know`);
    await client.apply(found, object, fieldManager);
  }
}

/** A connection with a real token of a service account of ours, bound to a Pod if one is given. */
export async function connectAs(
  kubeconfig: string,
  admin: Connection,
  serviceAccount: string,
  options: { pod?: KubeObject; onAnswer?: (method: string, code: string, seconds: number) => void } = {},
): Promise<Connection> {
  const { pod, ...rest } = options;
  const boundObjectRef = pod && { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid };
  const config = await configAs(kubeconfig, admin, serviceAccount, { boundObjectRef, expirationSeconds: 3600 });
  return createConnection({ config, userAgent: 'monoroot/0.0.0 (test)', ...rest });
}

/** The kubeconfig with a real token of a service account of ours in place of its user. */
export async function configAs(
  kubeconfig: string,
  admin: Connection,
  serviceAccount: string,
  token: { boundObjectRef?: object | undefined; expirationSeconds: number },
): Promise<ReturnType<typeof loadKubeConfig>> {
  const answer = await admin.request({
    method: 'POST',
    path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${serviceAccount}/token`,
    body: JSON.stringify({ kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: token }),
  });
  const { status } = JSON.parse(answer) as { status: { token: string } };
  const config = loadKubeConfig({ path: kubeconfig });
  config.users = config.users.map(({ name }) => ({ name, token: status.token }));
  return config;
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { sourcesNamespace, verificationNamespace } from '../../src/api/names.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually } from './eventually.ts';
import { applyManifests, connectAs, serviceAccounts, systemNamespace } from './manifests.ts';

// What the API server itself says that each service account of deploy/ may do, against the table of docs/threat-model.md.
const { connection, client } = connect(inject('kubeconfig'));
const connections: Connection[] = [connection];
const page = join(import.meta.dirname, '../../docs/threat-model.md');
let tenant: string;

beforeAll(async () => {
  tenant = await createNamespace(client);
  const files = ['operator-rbac.yaml', 'agent-rbac.yaml', 'sources/rbac.yaml', 'user-roles.yaml'];
  await applyManifests(client, ...files, 'components/web/web-rbac.yaml');
});
afterAll(() => Promise.all(connections.map((it) => it.close())));

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** What every service account of any cluster may: ask about itself, and read public certificates. */
const isEverybodys = ({ apiGroups = [] }: Rule): boolean =>
  apiGroups.every((it) => /^(authorization|authentication|certificates)[.]k8s[.]io$/.test(it));

/** Lines `<resource> | <verbs>`, one for each resource. */
async function rightsIn(namespace: string, by: Connection): Promise<string[]> {
  const answer = await by.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    body: JSON.stringify({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace },
    }),
  });
  const { status } = JSON.parse(answer) as { status: { resourceRules: Rule[]; incomplete: boolean } };
  expect(status.incomplete).toBe(false);
  const verbsOf = new Map<string, Set<string>>();
  for (const { resources = [], resourceNames = [], verbs } of status.resourceRules.filter((it) => !isEverybodys(it))) {
    for (const resource of resources) {
      const what = [`\`${resource}\``, ...resourceNames.map((it) => `\`${it}\``)].join(' ');
      verbsOf.set(what, new Set([...(verbsOf.get(what) ?? []), ...verbs]));
    }
  }
  return [...verbsOf].map(([what, verbs]) => `${what} | ${[...verbs].sort().join(', ')}`).sort();
}

/** The table as it has to be: first what an account may everywhere, then what it may in one namespace besides. */
async function table(): Promise<string> {
  const lines = ['| service account | in namespace | resource | verbs |', '| --- | --- | --- | --- |'];
  for (const account of ['monoroot-operator', 'monoroot-agent', 'monoroot-web', 'default']) {
    const by = await connectAs(inject('kubeconfig'), connection, account);
    connections.push(by);
    const everywhere = await rightsIn(tenant, by);
    const add = (where: string, rights: readonly string[]) => {
      for (const right of rights) lines.push(`| \`${account}\` | ${where} | ${right} |`);
    };
    add('all', everywhere);
    for (const namespace of [systemNamespace, sourcesNamespace, verificationNamespace])
      add(
        `\`${namespace}\``,
        (await rightsIn(namespace, by)).filter((it) => !everywhere.includes(it)),
      );
    if (!lines.some((it) => it.startsWith(`| \`${account}\``))) lines.push(`| \`${account}\` | all | none | none |`);
  }
  return `${lines.join('\n')}\n`;
}

test('docs/threat-model.md has the rights that the API server grants to each service account, and no others', async () => {
  // The controller manager makes it in a real cluster: Jobs that build run with it, without its token.
  const account = { metadata: { name: 'default', namespace: systemNamespace } };
  await client.apply(serviceAccounts, account, { fieldManager: 'test' });
  const text = readFileSync(page, 'utf8');
  const start = text.indexOf('| service account | in namespace |');
  expect(text.slice(start, text.indexOf('\n\n', start) + 1)).toBe(await table());
});

test('the account of the page is refused every Secret and every write', async () => {
  const by = await connectAs(inject('kubeconfig'), connection, 'monoroot-web');
  connections.push(by);
  const ask = (method: 'GET' | 'POST' | 'DELETE', path: string) =>
    by.request({ method, path, ...(method === 'POST' && { body: '{}' }) });
  const namespaces = [tenant, systemNamespace, sourcesNamespace, verificationNamespace];
  for (const secrets of ['/api/v1/secrets', ...namespaces.map((it) => `/api/v1/namespaces/${it}/secrets`)]) {
    await expect(ask('GET', secrets)).rejects.toMatchObject({ code: 403 });
    await expect(ask('GET', `${secrets}?watch=true`)).rejects.toMatchObject({ code: 403 });
  }
  const containers = `/apis/monoroot.dev/v1alpha1/namespaces/${tenant}/hostedcontainers`;
  // An API server that has just got a kind asks to be asked again.
  await eventually(async () => expect(await ask('GET', containers)).toContain('HostedContainerList'));
  await expect(ask('POST', containers)).rejects.toMatchObject({ code: 403 });
  await expect(ask('DELETE', `${containers}/any`)).rejects.toMatchObject({ code: 403 });
  await expect(ask('POST', `/api/v1/namespaces/${tenant}/pods`)).rejects.toMatchObject({ code: 403 });
});

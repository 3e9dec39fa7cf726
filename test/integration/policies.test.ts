import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createClient } from '../../src/kube/client.ts';
import type { Client, NewObject } from '../../src/kube/client.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { attacksOn, tryAttack } from '../../hack/lib/attack/attacks.ts';
import { persistentVolumeClaims, configMaps, jobs } from '../../src/kube/resources.ts';
import type { HostedContainerSpec } from '../../src/api/hostedcontainer.ts';
import { hostedContainers, nodeStores } from '../../src/kube/kinds.ts';
import { namespaces, nodes, persistentVolumes, pods, secrets } from '../../src/kube/resources.ts';
import type { Resource } from '../../src/kube/resources.ts';
import type { PersistentVolume, Pod, Sidecar } from '../../src/api/kubernetes/objects.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { refusal } from './api/attempts.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually } from './eventually.ts';
import { sourcesNamespace as sources } from '../../src/api/names.ts';
import {
  applyManifests,
  connectAs,
  manifests,
  policyBindings,
  serviceAccounts,
  systemNamespace as system,
} from './manifests.ts';

// The admission policies of deploy/ in front of a real API server, attacked by those whom they are for. The Pods and volumes are
// tried by an administrator: what is refused to him is refused to every user.
const { connection, client } = connect(inject('kubeconfig'));
const suffix = Math.random().toString(36).slice(2, 8);
const ownNode = `own-${suffix}`;
const otherNode = `other-${suffix}`;
let namespace: string;
const connections: Connection[] = [connection];

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];
type Container = NonNullable<Pod['spec']>['containers'][number];
const store = '/var/lib/monoroot/store/debian-12/v35';
const root = `${store}/root`;
const usr = `${store}/root/usr`;

interface Shape {
  path?: string;
  /** Of the host path; `undefined` is none. */
  type?: string | undefined;
  mount?: object;
  where?: 'containers' | 'initContainers';
  namespace?: string;
  extra?: object;
}
/** A Pod that mounts a host path as ours do, with the differences. */
function podOf(
  name: string,
  { path = usr, mount = {}, where = 'containers', namespace: ns = namespace, extra = {}, ...rest }: Shape,
): NewObject<Pod> {
  const type = 'type' in rest ? rest.type : 'Directory';
  const volumeMounts = [{ name: 'v', mountPath: '/usr', readOnly: true, ...mount }];
  const plain: Container = { name: 'plain', image: 'x' };
  const mounting: Container = { name: 'mounting', image: 'x', volumeMounts };
  const volume: Volume = { name: 'v', hostPath: { path, ...(type !== undefined && { type }) } };
  const containers = where === 'containers' ? [plain, mounting] : [plain];
  return {
    metadata: { name, namespace: ns },
    spec: {
      containers,
      ...(where === 'initContainers' && { initContainers: [mounting as Sidecar] }),
      volumes: [volume],
      ...extra,
    },
  };
}
const tryPod = (shape: Shape) => client.create(pods, podOf('attack', shape), { dryRun: true });

beforeAll(async () => {
  namespace = await createNamespace(client);
  await applyManifests(client, 'agent-rbac.yaml', 'sources/rbac.yaml', 'policies.yaml');
  // A policy is in force a moment after it is stored.
  await eventually(async () => expect(await refusal(tryPod({ mount: { readOnly: false } }))).toContain('master store'));
  await eventually(async () => {
    const volume = { capacity: { storage: '1' }, accessModes: ['ReadWriteOnce' as const], hostPath: { path: '/var' } };
    const attempt = client.create(persistentVolumes, { metadata: { name: suffix }, spec: volume }, { dryRun: true });
    expect(await refusal(attempt)).toContain('master store');
  });
  const ours = (await client.list(policyBindings)).map(({ metadata }) => metadata.name);
  expect(ours).toEqual(expect.arrayContaining(['monoroot-tenant-pods', 'monoroot-operator-fields']));
});
afterAll(() => Promise.all(connections.map((it) => it.close())));

describe('the master store', () => {
  test.each<[string, Shape]>([
    ['a directory of an image', {}],
    ['the whole root of an image', { path: `${store}/root` }],
    ['the whole root of an image, as software', { path: `${store}/root` }],
    ['the mount script of an image', { path: `${store}/mount.sh`, type: 'File' }],
    ['a directory that is called like a mount script', { path: `${store}/root/mount.sh` }],
    ['a directory of an image in an init container', { where: 'initContainers' }],
    ['a directory with capitals, dots and dashes', { path: `${store}/root/Weird_dir-1.x` }],
    ['a hidden directory', { path: `${store}/root/.hidden` }],
    ['a file on top of an image', { path: `${root}/entrypoint.sh`, type: 'File' }],
    ['a file that a link on top leads to', { path: `${root}/nix/store/a+b/bin/init`, type: 'File' }],
    ['with the strictest mount', { mount: { recursiveReadOnly: 'Enabled', mountPropagation: 'None' } }],
    ['a directory of the host that is not ours', { path: '/var/lib/other', mount: { readOnly: false, subPath: 'x' } }],
    ['a directory whose name only begins like ours', { path: '/var/lib/monoroot-cluster', mount: { readOnly: false } }],
    ['the root of the host with all mounts below it read-only', { path: '/', mount: { recursiveReadOnly: 'Enabled' } }],
    ['all processes, as monitoring does', { path: '/proc', mount: { readOnly: false } }],
    ['settings of the kernel', { path: '/proc/sys/net', mount: { readOnly: false } }],
    [
      'the root of the host writable in kube-system',
      { path: '/', mount: { readOnly: false }, namespace: 'kube-system' },
    ],
  ])('may be mounted: %s', async (_name, shape) => {
    await tryPod(shape);
  });

  const readOnly = 'must be mounted with readOnly, and without subPath, subPathExpr and mountPropagation';
  const paths =
    'only store/<os>/<version>/root, one directory in it, a file in it, and store/<os>/<version>/mount.sh may be mounted';
  const type = 'a hostPath in the master store must have the type Directory or File (File for mount.sh)';
  const above =
    'a directory above the master store (/, /var, /var/lib, /proc/1/root) must be mounted with readOnly, recursiveReadOnly Enabled';
  test.each<[string, Shape, string]>([
    ['writable', { mount: { readOnly: false } }, readOnly],
    ['writable, because nothing is said', { mount: { readOnly: undefined } }, readOnly],
    ['writable in an init container', { mount: { readOnly: false }, where: 'initContainers' }, readOnly],
    ['with subPath, for which the kubelet makes directories', { mount: { subPath: 'bin' } }, readOnly],
    ['with subPathExpr', { mount: { subPathExpr: '$(A)' } }, readOnly],
    ['with mounts that come back to the host', { mount: { mountPropagation: 'HostToContainer' } }, readOnly],
    [
      'writable from another namespace of the system',
      { mount: { readOnly: false }, namespace: 'kube-system' },
      readOnly,
    ],
    [
      'writable in the namespace of the agent by somebody else',
      { mount: { readOnly: false }, namespace: system },
      readOnly,
    ],
    ...[
      '/var/lib/monoroot',
      '/var/lib/monoroot/',
      '/var/lib/monoroot/store',
      '/var/lib/monoroot/staging',
      '/var/lib/monoroot/store/debian-12',
      store,
      `${store}/`,
      `${store}/root/`,
      `${store}/root/.`,
      `${store}/root/usr/bin`,
      `${store}/root/usr/`,
      `${store}/image.json`,
      `${store}/mount.sh/x`,
      '/var/lib/monoroot/store/Debian/v35/root/usr',
      '/var//lib/monoroot/store',
      '//var/lib/monoroot/store',
      '/var/./lib/././/monoroot/store',
      './var/lib/monoroot/store',
      'var/lib/monoroot/store',
    ].map((path): [string, Shape, string] => [`as ${path}`, { path }, paths]),
    ['with a type that makes a directory', { type: 'DirectoryOrCreate' }, type],
    ['with a type that makes a file', { path: `${store}/mount.sh`, type: 'FileOrCreate' }, type],
    ['without a type, so that the runtime makes what is missing', { type: undefined }, type],
    ['with the type that checks nothing', { type: '' }, type],
    ['as a mount script that is a directory', { path: `${store}/mount.sh` }, type],
    ...[
      '/',
      '/var',
      '/var/lib',
      '/var/lib/',
      '//var//lib',
      '/./var/lib/.',
      '/proc/1/root',
      '/proc/1/root/var/lib/monoroot/store',
      '//proc/./self/root/',
      '/proc/1/task/1/root/var',
      '/proc/1/cwd',
      '/proc/1/fd/7/store',
      '/dev/fd/7',
    ].map((path): [string, Shape, string] => [`writable through ${path}`, { path, mount: { readOnly: false } }, above]),
    [
      'through a subPath of /, for which the kubelet makes directories also when the mount is read-only',
      { path: '/', mount: { subPath: 'var/lib/monoroot/store/debian-12/v35/root/evil' } },
      above,
    ],
    ['through a subPathExpr of /var', { path: '/var', mount: { subPathExpr: 'lib/$(A)' } }, above],
    [
      'writable through / in an init container',
      { path: '/', mount: { readOnly: false }, where: 'initContainers' },
      above,
    ],
  ])('may not be mounted %s', async (_name, shape, message) => {
    expect(await refusal(tryPod(shape))).toContain(message);
  });

  test.each([`${store}/root/..`, `${store}/../../../etc`, `${store}/root/../../v36/root/usr`])(
    'may not be left upwards: %s',
    async (path) => {
      expect(await refusal(tryPod({ path }))).toMatch(/must not contain '\.\.'|may be mounted/);
    },
  );

  test.each(['/', '/var', '/var/lib'])(
    'may not be mounted through %s with a readOnly of the top mount alone, as monitoring does: a store on a disk of its own is writable there',
    async (path) => {
      for (const mount of [{}, { mountPropagation: 'HostToContainer' }, { recursiveReadOnly: 'IfPossible' }])
        expect(await refusal(tryPod({ path, mount }))).toContain(above);
    },
  );

  test('may be mounted so in a namespace that is trusted, though not writable by its own name', async () => {
    const trusted = await createNamespace(client);
    await client.mergePatch(
      namespaces,
      { name: trusted },
      { metadata: { labels: { 'monoroot.dev/host-paths': 'trusted' } } },
    );
    await tryPod({ path: '/', mount: { mountPropagation: 'HostToContainer' }, namespace: trusted });
    expect(await refusal(tryPod({ mount: { readOnly: false }, namespace: trusted }))).toContain(readOnly);
  });

  test.each([
    '/mnt/stateful_partition/var/lib/monoroot/store',
    '/local/var/lib/monoroot',
    '/mnt/stateful_partition/var',
    '/local',
  ])('may not be mounted writable by another name of its place: %s', async (path) => {
    expect(await refusal(tryPod({ path, mount: { readOnly: false } }))).toMatch(
      /may be mounted|must be mounted with readOnly/,
    );
  });

  test('may not be mounted writable by who only has the name of the account of the agent', async () => {
    const extra = { serviceAccountName: 'monoroot-agent' };
    expect(await refusal(tryPod({ mount: { readOnly: false }, extra }))).toContain(readOnly);
    const { labels = {} } = (await client.get(namespaces, { name: system }))?.metadata ?? {};
    expect(labels['monoroot.dev/system']).toBe('true');
    await tryPod({ mount: { readOnly: false }, extra, namespace: system });
  });

  test('may not be mounted writable by a container for debugging that is added later', async () => {
    const made = await client.create(pods, podOf('debugged', {}));
    const debug = (mount: object) =>
      connection.request({
        method: 'PATCH',
        path: `/api/v1/namespaces/${namespace}/pods/debugged/ephemeralcontainers`,
        contentType: 'application/strategic-merge-patch+json',
        body: JSON.stringify({
          spec: {
            ephemeralContainers: [
              { name: 'debug', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] },
            ],
          },
        }),
      });
    expect(await refusal(debug({}))).toContain(readOnly);
    expect(await refusal(debug({ readOnly: true, subPath: 'bin' }))).toMatch(/subPath/);
    await debug({ readOnly: true });
    await client.delete(pods, made.metadata, { gracePeriodSeconds: 0 });
  });

  test('is mounted writable by the agent, as deploy/agent.yaml has it', async () => {
    interface DaemonSet extends KubeObject {
      spec: { template: { spec: Pod['spec'] } };
    }
    const [agent] = manifests('agent.yaml') as DaemonSet[];
    const { priorityClassName: _class, ...spec } = agent?.spec.template.spec ?? { containers: [] };
    const name = 'agent-as-deployed';
    await client.create(pods, { metadata: { name, namespace: system }, spec }, { dryRun: true });
    const elsewhere = client.create(pods, { metadata: { name, namespace }, spec }, { dryRun: true });
    expect(await refusal(elsewhere)).toContain(paths);
  });

  test('a Pod that was there before may still be changed where its mounts are not', async () => {
    await client.delete(policyBindings, { name: 'monoroot-store-read-only' });
    const old = podOf('old', { mount: { readOnly: false } });
    old.metadata.finalizers = ['example.org/hold'];
    await eventually(() => client.create(pods, old));
    await applyManifests(client, 'policies.yaml');
    await eventually(async () =>
      expect(await refusal(tryPod({ mount: { readOnly: false } }))).toContain('master store'),
    );
    await client.mergePatch(pods, { name: 'old', namespace }, { metadata: { finalizers: null, labels: { a: 'b' } } });
    await client.delete(pods, { name: 'old', namespace }, { gracePeriodSeconds: 0 });
    await eventually(async () => expect(await client.get(pods, { name: 'old', namespace })).toBeUndefined());
  });
});

describe('a PersistentVolume', () => {
  const tryVolume = (source: object) => client.create(persistentVolumes, volumeOf('attack', source), { dryRun: true });
  const onNode = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n'] }] };
  const volumeOf = (name: string, source: object) =>
    ({
      metadata: { name: `${name}-${suffix}` },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        nodeAffinity: { required: { nodeSelectorTerms: [onNode] } },
        ...source,
      },
    }) as NewObject<PersistentVolume>;
  const message = 'a PersistentVolume may be neither in /var/lib/monoroot';

  test.each(['/data', '/var/lib/other', '/var/lib/monoroot-data', '/varia'])('may be on %s', async (path) => {
    await tryVolume({ hostPath: { path } });
    await tryVolume({ local: { path } });
  });

  test.each([
    '/',
    '/var',
    '/var/lib',
    '/var/lib/',
    '//var/./lib//',
    '/var/lib/monoroot',
    '/var/lib/monoroot/',
    '/var/lib/monoroot/store',
    '/var/lib/monoroot/staging',
    usr,
    '//var/lib/./monoroot//store',
    '/proc/1/root',
    '/proc/self/root/var/lib/monoroot/store',
    '/proc/1/cwd/var',
    '/dev/fd/3',
  ])('may not be on %s', async (path) => {
    expect(await refusal(tryVolume({ hostPath: { path } }))).toContain(message);
    expect(await refusal(tryVolume({ hostPath: { path, type: 'DirectoryOrCreate' } }))).toContain(message);
    expect(await refusal(tryVolume({ local: { path } }))).toContain(message);
  });

  test.each(['/data/../var/lib/monoroot', '/var/lib/..', 'var/lib/monoroot'])('has no way around: %s', async (path) => {
    expect(await refusal(tryVolume({ hostPath: { path } }))).toMatch(/must not contain '\.\.'|may be neither/);
    expect(await refusal(tryVolume({ local: { path } }))).toMatch(/must not contain '\.\.'|may be neither|absolute/);
  });

  test('that was there before gets no claim any more, but goes when it is deleted', async () => {
    const binding = { name: 'monoroot-store-no-volumes' };
    await client.delete(policyBindings, binding);
    const old = volumeOf('old', { hostPath: { path: usr } });
    await eventually(() => client.create(persistentVolumes, old));
    await applyManifests(client, 'policies.yaml');
    await eventually(async () => expect(await refusal(tryVolume({ hostPath: { path: usr } }))).toContain(message));
    const claimRef = { kind: 'PersistentVolumeClaim', namespace, name: 'claim' };
    expect(await refusal(client.mergePatch(persistentVolumes, old.metadata, { spec: { claimRef } }))).toContain(
      message,
    );
    await client.mergePatch(persistentVolumes, old.metadata, { metadata: { labels: { a: 'b' }, finalizers: null } });
    await client.delete(persistentVolumes, old.metadata);
    await eventually(async () => expect(await client.get(persistentVolumes, old.metadata)).toBeUndefined());
  });
});

const forbidden: [string, object, string][] = [
  ['hostPID', { hostPID: true }, 'must not use hostPID'],
  ['hostIPC', { hostIPC: true }, 'must not use hostPID'],
  ['hostNetwork', { hostNetwork: true }, 'must not use hostPID'],
  ...(
    [
      ['privileged', { securityContext: { privileged: true } }],
      ['seccomp Unconfined', { securityContext: { seccompProfile: { type: 'Unconfined' } } }],
      ['AppArmor Unconfined', { securityContext: { appArmorProfile: { type: 'Unconfined' } } }],
      ['a port of the host', { ports: [{ containerPort: 80, hostPort: 80 }] }],
    ] as [string, object][]
  ).map(([name, it]): [string, object, string] => [
    name,
    { containers: [{ name: 'c', image: 'x', ...it }] },
    'must not be privileged, unconfined',
  ]),
  ...(
    [
      ['a type of SELinux that confines nothing', { seLinuxOptions: { type: 'spc_t' } }],
      ['a user of SELinux', { seLinuxOptions: { user: 'system_u' } }],
      ['a role of SELinux', { seLinuxOptions: { role: 'system_r' } }],
    ] as [string, object][]
  ).flatMap(([name, securityContext]): [string, object, string][] => [
    [
      `${name}, of a container`,
      { containers: [{ name: 'c', image: 'x', securityContext }] },
      'no SELinux user or role',
    ],
    [`${name}, of all`, { securityContext }, 'no SELinux user or role'],
  ]),
  ['a sysctl of the node', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }, 'no sysctl but'],
  ...(
    [
      ['a liveness probe', { livenessProbe: { httpGet: { port: 80, host: '127.0.0.1' } } }],
      ['a readiness probe', { readinessProbe: { tcpSocket: { port: 80, host: '169.254.169.254' } } }],
      ['a hook', { lifecycle: { preStop: { httpGet: { port: 80, host: '127.0.0.1' } } } }],
    ] as [string, object][]
  ).map(([name, it]): [string, object, string] => [
    `${name} of another host`,
    { containers: [{ name: 'c', image: 'x', ...it }] },
    'must name no host',
  ]),
  ...['SYS_ADMIN', 'DAC_READ_SEARCH', 'SYS_PTRACE', 'ALL'].map((name): [string, object, string] => [
    name,
    { initContainers: [{ name: 'i', image: 'x', securityContext: { capabilities: { add: [name] } } }] },
    'must add no capability',
  ]),
  [
    'a directory of the host',
    { volumes: [{ name: 'h', hostPath: { path: '/srv' } }] },
    'must mount no hostPath but images',
  ],
];

describe('a Pod of tenants, who may create Pods', () => {
  let tenants: string;
  beforeAll(async () => {
    tenants = await createNamespace(client);
    await client.mergePatch(namespaces, { name: tenants }, { metadata: { labels: { 'monoroot.dev/tenant': 'true' } } });
    // The API server reads labels of namespaces from a cache of its own.
    await eventually(async () => expect(await refusal(tryIn(tenants, { hostPID: true }))).toContain('hostPID'));
  });
  const tryIn = (ns: string, spec: object) =>
    client.create(
      pods,
      { metadata: { name: 'attack', namespace: ns }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } },
      { dryRun: true },
    );

  test.each(forbidden)('must not have %s where their namespace says that it is one', async (_name, spec, message) => {
    expect(await refusal(tryIn(tenants, spec))).toContain(message);
    await tryIn(namespace, spec).catch((error: unknown) => expect(String(error)).not.toContain('monoroot-tenant-pods'));
  });

  test('must not have AppArmor taken away by an annotation', async () => {
    const annotations = { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' };
    const spec = { containers: [{ name: 'c', image: 'x' }] };
    const pod = { metadata: { name: 'attack', namespace: tenants, annotations }, spec };
    expect(await refusal(client.create(pods, pod, { dryRun: true }))).toMatch(/unconfined|annotation/i);
  });

  test('may have what Pod Security baseline allows', async () => {
    await tryIn(tenants, {
      securityContext: {
        seLinuxOptions: { level: 's0:c1,c2', type: 'container_t' },
        sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
      },
      containers: [
        {
          name: 'c',
          image: 'x',
          livenessProbe: { httpGet: { port: 80, path: '/' } },
          lifecycle: { preStop: { exec: { command: ['true'] } } },
        },
      ],
    });
  });

  test('may have what a hosted container has', async () => {
    const capabilities = { drop: ['ALL'], add: ['CHOWN', 'NET_RAW'] };
    const volumes = [{ name: 'v', hostPath: { path: usr, type: 'Directory' } }];
    const volumeMounts = [{ name: 'v', mountPath: '/usr', readOnly: true, recursiveReadOnly: 'Enabled' }];
    await tryIn(tenants, {
      volumes,
      containers: [{ name: 'c', image: 'x', volumeMounts, securityContext: { capabilities } }],
    });
  });
});

describe('a Pod with direct mounts, which the node plugin gives images', () => {
  let tenant: Client;
  let tenantConnection: Connection;
  let operator: Client;
  const direct = { labels: { 'monoroot.dev/mounts': 'Direct' }, annotations: { 'monoroot.dev/mounts': '{}' } };
  const podWith = (name: string, metadata: object): NewObject<Pod> => ({
    metadata: { name, namespace, ...metadata },
    spec: { containers: [{ name: 'main', image: 'x:v1' }] },
  });
  const ofImage = ['image', 'digest', 'fingerprint', 'pod-hash', 'mounts', 'mounts-before', 'patched'];
  const onlyOperator = 'only the operator may make or change a Pod with the label monoroot.dev/mounts';

  beforeAll(async () => {
    await applyManifests(client, 'operator-rbac.yaml');
    const name = `tenant-${suffix}`;
    await client.create(serviceAccounts, { metadata: { name, namespace: system } });
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
    const subjects = [{ kind: 'ServiceAccount', name, namespace: system }];
    // All that has to do with Pods, as an administrator of a namespace may give.
    const resources = ['pods', 'pods/status', 'pods/binding', 'bindings', 'pods/ephemeralcontainers', 'pods/resize'];
    const rules = [{ apiGroups: [''], resources, verbs: ['create', 'update', 'patch'] }];
    for (const [path, body] of [
      ['roles', { metadata: { name }, rules }],
      ['rolebindings', { metadata: { name }, roleRef, subjects }],
    ] as const)
      await connection.request({ method: 'POST', path: `${rbac}/${path}`, body: JSON.stringify(body) });
    const connected = await Promise.all([name, 'monoroot-operator'].map((it) => connectAs(inject('kubeconfig'), connection, it))); // prettier-ignore
    connections.push(...connected);
    [tenantConnection] = connected as [Connection, Connection];
    [tenant, operator] = connected.map((it) => createClient(it)) as [Client, Client];
    await eventually(() => tenant.create(pods, podWith('plain', {}), { dryRun: true }));
    // A policy is in force a moment after it is stored.
    await eventually(async () =>
      expect(await refusal(tenant.create(pods, podWith('x', direct), { dryRun: true }))).toContain(onlyOperator),
    );
    await operator.create(pods, podWith('direct', direct));
    const owner = { apiVersion: 'monoroot.dev/v1alpha1', kind: 'HostedContainer', uid: 'u', controller: true };
    const owned = (of: string, labels: object) =>
      podWith(of, {
        labels: { ...labels, 'app.kubernetes.io/managed-by': 'monoroot', 'monoroot.dev/image': 'os.v1' },
        annotations: direct.annotations,
        ownerReferences: [{ ...owner, name: of }],
      });
    const containers = [{ name: 'main', image: 'x:v1' }, { name: 'side', image: 'x:v1' }]; // prettier-ignore
    await operator.create(pods, { ...owned('owned', direct.labels), spec: { containers } });
    await operator.create(pods, { ...owned('plain-owned', {}), spec: { containers } });
    await eventually(async () => {
      const change = { metadata: { labels: { a: 'b' } } };
      expect(await refusal(operator.mergePatch(pods, { name: 'owned', namespace }, change, { dryRun: true }))).toContain('no label of a Pod'); // prettier-ignore
    });
  });

  const label = (value: string | null) => ({ metadata: { labels: { 'monoroot.dev/mounts': value } } });
  test.each<[string, string, object]>([
    ['take another image', 'direct', { spec: { containers: [{ name: 'main', image: 'x:v2' }] } }],
    ['take another list of mounts', 'direct', { metadata: { annotations: { 'monoroot.dev/mounts': '{"os":"a"}' } } }],
    ['keep less of what it used', 'direct', { metadata: { annotations: { 'monoroot.dev/mounts-before': '{}' } } }],
    ['tell of another patch', 'direct', { metadata: { annotations: { 'monoroot.dev/patched': '{}' } } }],
    ['lose its label', 'direct', label(null)],
    ['get the label', 'plain', label('Direct')],
    ['get the label with another value', 'plain', label('')],
  ])('must not %s by who may create and change Pods', async (_name, name, patch) => {
    if (name === 'plain') await tenant.create(pods, podWith('plain', {})).catch(() => undefined);
    const change = (by: Client) => by.mergePatch(pods, { name, namespace }, patch, { dryRun: true });
    expect(await refusal(change(tenant))).toContain(onlyOperator);
  });

  test.each<[string, string, object]>([
    ['the label', 'plain', label('Direct').metadata],
    ['another list of mounts', 'direct', { annotations: { 'monoroot.dev/mounts': '{"os":"a"}' } }],
    ['no label', 'direct', label(null).metadata],
  ])('must not get %s through its status', async (_name, name, metadata) => {
    if (name === 'plain') await tenant.create(pods, podWith('plain', {})).catch(() => undefined);
    const change = (of: object) =>
      tenant.mergePatch(pods, { name, namespace }, { metadata: of }, { subresource: 'status', dryRun: true });
    expect(await refusal(change(metadata))).toContain(onlyOperator);
    await change({ labels: { team: 'a' } });
  });

  test.each(['pods/plain/binding', 'bindings'])('must not get the label or a list of mounts through %s', async (of) => {
    await tenant.create(pods, podWith('plain', {})).catch(() => undefined);
    const path = `/api/v1/namespaces/${namespace}/${of}`;
    const target = { apiVersion: 'v1', kind: 'Node', name: 'somewhere' };
    const bind = (metadata: object) => {
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'plain', ...metadata }, target };
      return tenantConnection.request({ method: 'POST', path, query: { dryRun: 'All' }, body: JSON.stringify(body) });
    };
    expect(await refusal(bind(label('Direct').metadata))).toContain(onlyOperator);
    expect(await refusal(bind({ annotations: { 'monoroot.dev/mounts': '{}' } }))).toContain(onlyOperator);
    await bind({ labels: { team: 'a' } });
  });

  test('gets no other container called main: names are those of one Pod', async () => {
    const debug = { name: 'main', image: 'x', terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent' };
    const path = `/api/v1/namespaces/${namespace}/pods/direct/ephemeralcontainers`;
    const body = JSON.stringify({ spec: { ephemeralContainers: [debug] } });
    const contentType = 'application/strategic-merge-patch+json';
    expect(await refusal(tenantConnection.request({ method: 'PATCH', path, body, contentType }))).toContain(
      'Duplicate',
    );
  });

  test.each<[string, object, string]>([
    ['another toleration', { spec: { tolerations: [{ key: 'a', operator: 'Exists' }] } }, 'no field of the spec'],
    [
      'another image for another container',
      {
        spec: {
          containers: [
            { name: 'main', image: 'x:v1' },
            { name: 'side', image: 'x:v2' },
          ],
        },
      },
      'no field of the spec',
    ],
    ['a deadline', { spec: { activeDeadlineSeconds: 60 } }, 'no field of the spec'],
    ['another label', { metadata: { labels: { team: 'b' } } }, 'no label of a Pod'],
    ['a label less', { metadata: { labels: { 'monoroot.dev/mounts': null } } }, 'no label of a Pod'],
    ['another annotation', { metadata: { annotations: { a: 'b' } } }, 'no annotation of a Pod'],
    [
      'another hash of what it cannot change',
      { metadata: { annotations: { 'monoroot.dev/fixed-hash': 'b' } } },
      'no annotation of a Pod',
    ],
    ['a finalizer', { metadata: { finalizers: ['a.b/c'] } }, 'no owners and finalizers'],
    ['another owner', { metadata: { ownerReferences: [] } }, 'no owners and finalizers'],
  ])('must not get %s by the operator', async (_name, patch, message) => {
    const change = operator.mergePatch(pods, { name: 'owned', namespace }, patch, { dryRun: true });
    expect(await refusal(change)).toContain(message);
  });

  test('gets another image by the operator, and what says so; one that is not its own, or without direct mounts, does not', async () => {
    const annotations = Object.fromEntries(ofImage.map((it) => [`monoroot.dev/${it}`, it]));
    const metadata = { labels: { 'monoroot.dev/image': 'os.v2' }, annotations };
    const image = {
      metadata,
      spec: {
        containers: [
          { name: 'main', image: 'x:v2' },
          { name: 'side', image: 'x:v1' },
        ],
      },
    };
    const change = (name: string) => operator.mergePatch(pods, { name, namespace }, image, { dryRun: true });
    await change('owned');
    for (const name of ['direct', 'plain-owned']) expect(await refusal(operator.mergePatch(pods, { name, namespace }, { metadata }, { dryRun: true }))).toContain('only Pods of HostedContainers with direct mounts'); // prettier-ignore
  });

  test('may get other labels by them', async () => {
    await tenant.mergePatch(pods, { name: 'direct', namespace }, { metadata: { labels: { team: 'a' } } });
  });

  test('is refused whatever the value of its label', async () => {
    for (const value of ['', 'direct', 'HostPath']) {
      const metadata = { labels: { 'monoroot.dev/mounts': value } };
      expect(await refusal(tenant.create(pods, podWith('x', metadata), { dryRun: true }))).toContain(onlyOperator);
    }
  });
});

describe('an operator', () => {
  let operator: Client;
  const hosted = `hosted-${suffix}`;
  const node = `node-${suffix}`;
  beforeAll(async () => {
    await applyManifests(client, 'operator-rbac.yaml');
    const connected = await connectAs(inject('kubeconfig'), connection, 'monoroot-operator');
    connections.push(connected);
    operator = createClient(connected);
    await client.create(nodes, { metadata: { name: node, labels: { pool: 'a' } } });
    const spec = { image: 'os:v2', command: ['/a'] } as unknown as HostedContainerSpec;
    await client.create(hostedContainers, { metadata: { name: hosted, namespace }, spec });
  });
  const patchNode = (patch: object) => operator.mergePatch(nodes, { name: node }, patch, { dryRun: true });
  const patchHosted = (patch: object) =>
    operator.mergePatch(hostedContainers, { name: hosted, namespace }, patch, { dryRun: true });

  test('labels a Node with the images that it has, and changes nothing else of it', async () => {
    const labels = (it: Record<string, string | null>) => patchNode({ metadata: { labels: it } });
    await labels({ 'image.monoroot.dev/os.v1': 'aaaaaaaaaaaa' });
    await labels({ 'running.monoroot.dev/5f0c2f6e-1d1c-4d0f-9c59-0a52ff2ad3e1': 'aaaaaaaaaaaa' });
    await labels({ 'monoroot.dev/direct-mounts': 'true' });
    expect(await refusal(labels({ 'monoroot.dev/direct-mounts-of-others': '' }))).toContain('may change no label but');
    expect(await refusal(labels({ 'node-role.kubernetes.io/control-plane': '' }))).toContain('may change no label but');
    expect(await refusal(labels({ pool: 'b' }))).toContain('may change no label but');
    expect(await refusal(labels({ pool: null }))).toContain('may change no label but');
    expect(await refusal(patchNode({ metadata: { annotations: { a: 'b' } } }))).toContain('may change no annotation');
    expect(await refusal(patchNode({ spec: { unschedulable: true } }))).toContain('may change no field of spec');
    expect(await refusal(patchNode({ spec: { taints: null, podCIDR: '10.0.0.0/8' } }))).toContain(
      'may change no field of spec',
    );
    expect(await refusal(patchNode({ metadata: { finalizers: ['a.b/c'] } }))).toContain('no finalizer but');
  });

  test('writes the image of a HostedContainer, and nothing else of its spec', async () => {
    await patchHosted({ spec: { image: 'os:v1' } });
    expect(await refusal(patchHosted({ spec: { command: ['/evil'] } }))).toContain('may change no field of spec');
    expect(await refusal(patchHosted({ spec: { command: null } }))).toContain('may change no field of spec');
    expect(await refusal(patchHosted({ spec: { user: '0' } }))).toContain('may change no field of spec');
    expect(await refusal(patchHosted({ metadata: { annotations: { a: 'b' } } }))).toContain('may change no annotation');
    expect(await refusal(patchHosted({ metadata: { labels: { a: 'b' } } }))).toContain('may change no label');
  });

  test('holds a HostedContainer until it has seen to its data, and by no other finalizer', async () => {
    const finalizers = (...list: string[]) => patchHosted({ metadata: { finalizers: list } });
    await finalizers('monoroot.dev/data');
    expect(await refusal(finalizers('a.b/c'))).toContain('no finalizer but');
    const hold = { metadata: { finalizers: ['a.b/c', 'monoroot.dev/data'] } };
    await client.mergePatch(hostedContainers, { name: hosted, namespace }, hold);
    await finalizers('a.b/c');
    expect(await refusal(finalizers('monoroot.dev/data'))).toContain('no finalizer but');
    await client.mergePatch(hostedContainers, { name: hosted, namespace }, { metadata: { finalizers: null } });
  });

  test.each(forbidden)('makes no Pod with %s, in any namespace', async (_name, extra, message) => {
    const spec = { containers: [{ name: 'c', image: 'x' }], ...extra };
    expect(
      await refusal(operator.create(pods, { metadata: { name: 'attack', namespace }, spec }, { dryRun: true })),
    ).toContain(message);
    const template = { spec: { restartPolicy: 'Never', ...spec } };
    const job = { metadata: { name: 'attack', namespace: system }, spec: { template } };
    expect(await refusal(operator.create(jobs, job as never, { dryRun: true }))).toContain(message);
  });

  test('and all that hack/attack tries is answered as it should be', async () => {
    const pod = await client.create(pods, podOf('not-of-monoroot', {}));
    await client.create(nodeStores, { metadata: { name: node }, spec: { images: [] } });
    const target = { namespace, system, verification: 'monoroot-verification', sources, node, pod: pod.metadata };
    const agentConnection = await connectAs(inject('kubeconfig'), connection, 'monoroot-agent');
    connections.push(agentConnection);
    const clients = { admin: client, 'monoroot-operator': operator, 'monoroot-agent': createClient(agentConnection) };
    const wrong: string[] = [];
    for (const attack of attacksOn(target as Parameters<typeof attacksOn>[0])) {
      const problem = await tryAttack(attack, clients[attack.by]);
      if (problem !== undefined) wrong.push(`${attack.name}: ${problem}`);
    }
    expect(wrong).toEqual([]);
  });

  test('makes no Pod where the cluster or Monoroot keeps its own, or an administrator wants none', async () => {
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    const spec = {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'c', image: 'x', securityContext }],
    } as Pod['spec'];
    const attempt = (ns: string) =>
      refusal(operator.create(pods, { metadata: { name: 'attack', namespace: ns }, spec }, { dryRun: true }));
    const said = 'no HostedContainer may run in the namespaces of the cluster (kube-...) and of Monoroot';
    for (const ns of ['kube-system', 'kube-public', system, sources]) expect(await attempt(ns)).toContain(said);
    const closed = await createNamespace(client);
    const label = { 'monoroot.dev/hosted-containers': 'forbidden' };
    await client.mergePatch(namespaces, { name: closed }, { metadata: { labels: label } });
    await eventually(async () => expect(await attempt(closed)).toContain(said));
    const inOpen = { metadata: { name: 'open', namespace }, spec };
    await operator.create(pods, inOpen, { dryRun: true });
    const inTests = { metadata: { name: 'open', namespace: 'monoroot-verification' }, spec };
    await operator.create(pods, inTests, { dryRun: true });
    const template = { spec: { restartPolicy: 'Never', ...spec } };
    await operator.create(jobs, { metadata: { name: 'open', namespace: system }, spec: { template } } as never, {
      dryRun: true,
    });
  });

  test('deletes Pods, claims and Jobs that it made, and no others', async () => {
    const said = 'only Pods, claims and Jobs with the label app.kubernetes.io/managed-by=monoroot';
    const spec = { containers: [{ name: 'c', image: 'x' }] };
    const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const template = { spec: { restartPolicy: 'Never', ...spec } };
    const [pod, claim, job] = [pods, persistentVolumeClaims, jobs].map((it) => it as unknown as Resource<KubeObject>);
    const cases = [
      [pod, namespace, spec],
      [claim, namespace, claimSpec],
      [job, system, { template }],
    ] as const;
    for (const [resource, ns, itsSpec] of cases) {
      if (!resource) throw new Error('There is no such resource');
      for (const own of [true, false]) {
        const name = own ? 'own' : 'others';
        const labels = own ? { 'app.kubernetes.io/managed-by': 'monoroot' } : { app: 'x' };
        const object = { metadata: { name, namespace: ns, labels }, spec: itsSpec } as unknown as KubeObject;
        await client.create(resource, object);
        const attempt = operator.delete(resource, { name, namespace: ns }, { dryRun: true });
        if (own) expect(await attempt).toBe(true);
        else expect(await refusal(attempt)).toContain(said);
        if (resource !== claim) await client.delete(resource, { name, namespace: ns });
      }
    }
    const patch = (name: string, change: object) =>
      operator.mergePatch(persistentVolumeClaims, { name, namespace }, change, { dryRun: true });
    await patch('own', { metadata: { ownerReferences: [] } });
    expect(await refusal(patch('others', { metadata: { ownerReferences: [] } }))).toContain(said);
    for (const change of [
      { metadata: { labels: { a: 'b' } } },
      { metadata: { annotations: { a: 'b' } } },
      { metadata: { finalizers: [] } },
      { spec: { resources: { requests: { storage: '2Gi' } } } },
    ])
      expect(await refusal(patch('own', change))).toMatch(/may change the owners of a claim only|forbidden|Forbidden/);
  });

  test('makes recipes, and no settings of agents', async () => {
    const make = (name: string) =>
      operator.create(configMaps, { metadata: { name, namespace: system }, data: {} }, { dryRun: true });
    await make('recipe-debian-12.v1-0a1b2c3d');
    for (const name of ['monoroot-signatures', 'monoroot-registries', 'any'])
      expect(await refusal(make(name))).toContain('may make no ConfigMap but recipes');
  });

  test('makes no Pod and no Job with the account of the agent', async () => {
    const spec = { serviceAccountName: 'monoroot-agent', containers: [{ name: 'c', image: 'x' }] };
    const said = 'makes no Pod with a service account of its own namespace';
    const pod = { metadata: { name: 'attack', namespace: system }, spec };
    expect(await refusal(operator.create(pods, pod, { dryRun: true }))).toContain(said);
    const job = { metadata: pod.metadata, spec: { template: { spec: { restartPolicy: 'Never', ...spec } } } };
    expect(await refusal(operator.create(jobs, job as never, { dryRun: true }))).toContain(said);
  });
});

describe('the namespace of the Secrets of image sources', () => {
  const trySecret = (extra: object) =>
    client.create(secrets, { metadata: { name: 'attack', namespace: sources }, ...extra }, { dryRun: true });

  test.each<[string, object]>([
    ['a token', { stringData: { token: 'x' } }],
    ['a name and a password', { type: 'kubernetes.io/basic-auth', stringData: { username: 'x', password: 'y' } }],
    ['an authority', { stringData: { 'ca.crt': 'x' } }],
    [
      'the login of a registry',
      { type: 'kubernetes.io/dockerconfigjson', stringData: { '.dockerconfigjson': '{"auths":{}}' } },
    ],
    ['nothing yet', {}],
  ])('takes %s', async (_name, secret) => {
    await trySecret(secret);
  });

  test.each<[string, object, string]>([
    ['a key to sign with', { stringData: { 'cosign.key': 'x', 'cosign.password': 'y' } }, 'cosign.key'],
    ['a key beside a login', { stringData: { token: 'x', 'cosign.key': 'y' } }, 'cosign.key'],
    ['an encoded key', { data: { 'cosign.key': 'eA==' } }, 'cosign.key'],
    [
      'the key of an authority',
      { type: 'kubernetes.io/tls', stringData: { 'ca.crt': 'x', 'tls.crt': 'x', 'tls.key': 'y' } },
      'tls.key',
    ],
    ['a release of Helm', { type: 'helm.sh/release.v1', stringData: { release: 'x' } }, 'release'],
  ])('refuses %s', async (_name, secret, key) => {
    const words = await refusal(trySecret(secret));
    expect(words).toContain('every agent can read the Secrets of this namespace');
    expect(words).toContain(key);
  });
});

describe('the namespace in which images are tested', () => {
  const trySecret = (extra: object, ns = 'monoroot-verification') =>
    client.create(secrets, { metadata: { name: 'attack', namespace: ns }, ...extra }, { dryRun: true });
  const dockerconfigjson = Buffer.from('{"auths":{}}').toString('base64');

  test('takes the login of a registry, and no other Secret', async () => {
    await trySecret({ type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': dockerconfigjson } });
    const refused = 'may have no Secret but the login of the registry';
    expect(await refusal(trySecret({ stringData: { 'cosign.key': 'x' } }))).toContain(refused);
    expect(await refusal(trySecret({ type: 'Opaque', data: { '.dockerconfigjson': dockerconfigjson } }))).toContain(
      refused,
    );
    await trySecret({ stringData: { 'cosign.key': 'x' } }, system);
  });
});

describe('an agent', () => {
  const image = { os: 'os', version: 'v1', digest: `sha256:${'a'.repeat(64)}`, state: 'Ready' as const };
  const write = (as: Client, name: string) =>
    as.applyStatus(nodeStores, { metadata: { name }, status: { images: [image] } }, { fieldManager: 'monoroot-agent' });
  let agentConnection: Connection;
  let agent: Client;
  let agentWithoutNode: Client;

  /** A connection with a real token of the service account of the agent, bound to a Pod if one is named. */
  async function connectAgent(pod?: Pod): Promise<Connection> {
    const own = await connectAs(inject('kubeconfig'), connection, 'monoroot-agent', pod ? { pod } : {});
    connections.push(own);
    return own;
  }

  beforeAll(async () => {
    for (const name of [ownNode, otherNode]) {
      await client.create(nodes, { metadata: { name } });
      await client.create(nodeStores, { metadata: { name }, spec: { images: [] } });
    }
    const spec = {
      serviceAccountName: 'monoroot-agent',
      nodeName: ownNode,
      containers: [{ name: 'agent', image: 'x' }],
    };
    const pod = await client.create(pods, { metadata: { name: `agent-${suffix}`, namespace: system }, spec });
    agentConnection = await connectAgent(pod);
    agent = createClient(agentConnection);
    agentWithoutNode = createClient(await connectAgent());
  });

  test('writes the status of its own node', async () => {
    const written = await eventually(() => write(agent, ownNode));
    expect(written.status?.images).toEqual([image]);
  });

  test('may not write that of another node', async () => {
    expect(await refusal(write(agent, otherNode))).toContain(
      'an agent may write only the NodeStore of the node that its token is bound to',
    );
    expect((await client.get(nodeStores, { name: otherNode }))?.status).toBeUndefined();
  });

  test('may write none with a token that is bound to no node', async () => {
    expect(await refusal(write(agentWithoutNode, ownNode))).toContain('that its token is bound to');
  });

  test.each<[string, () => Promise<unknown>]>([
    ['what its node should store', () => agent.mergePatch(nodeStores, { name: ownNode }, { spec: { images: [] } })],
    [
      'a NodeStore of its own making',
      () => agent.create(nodeStores, { metadata: { name: 'new' }, spec: { images: [] } }),
    ],
    ['the labels of its node', () => agent.mergePatch(nodes, { name: ownNode }, { metadata: { labels: { a: 'b' } } })],
    ['the end of its NodeStore', () => agent.delete(nodeStores, { name: ownNode })],
  ])('may not write %s', async (_name, attempt) => {
    expect(await refusal(attempt())).toContain('forbidden');
  });

  test('may read a Secret of image sources by name, but list none', async () => {
    const login = { metadata: { name: 'login', namespace: sources }, stringData: { token: 'x' } };
    await client.apply(secrets, login, { fieldManager: 'test' });
    expect(await agent.get(secrets, { name: 'login', namespace: sources })).toBeDefined();
    expect(await refusal(agent.list(secrets, { namespace: sources }))).toContain('forbidden');
    expect(await refusal(agent.mergePatch(secrets, login.metadata, { data: null }))).toContain('forbidden');
  });

  test.each([
    ['a key to sign with', 'Opaque', { 'cosign.key': 'x' }],
    ['a login that may push', 'kubernetes.io/basic-auth', { username: 'x', password: 'y' }],
    ['a release of Helm', 'helm.sh/release.v1', { release: 'x' }],
    ['a login of a gate', 'Opaque', { token: 'x' }],
  ])('may not read %s in the namespace of the operator', async (name, type, stringData) => {
    const metadata = { name: name.replaceAll(' ', '-').toLowerCase(), namespace: system };
    await client.create(secrets, { metadata, type, stringData });
    expect(await refusal(agent.get(secrets, metadata))).toContain('forbidden');
    await client.delete(secrets, metadata);
  });

  test('may read no Secret of a tenant', async () => {
    expect(await refusal(agent.get(secrets, { name: 'any', namespace }))).toContain('forbidden');
  });

  test('sees the Pods of the cluster, and changes none', async () => {
    expect((await agent.list(pods)).map(({ metadata }) => metadata.name)).toContain(`agent-${suffix}`);
    expect(await refusal(agent.delete(pods, { name: `agent-${suffix}`, namespace: system }))).toContain('forbidden');
    expect(await refusal(agent.create(pods, podOf('made-by-agent', { namespace: system })))).toContain('forbidden');
    const name = `agent-${suffix}`;
    expect(await refusal(agent.mergePatch(pods, { name, namespace: system }, { metadata: { labels: {} } }))).toContain(
      'forbidden',
    );
  });

  test('has the rights that docs/operations.md names, and no others', async () => {
    const rightsIn = async (of: string) => {
      const answer = await agentConnection.request({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
        body: JSON.stringify({
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectRulesReview',
          spec: { namespace: of },
        }),
      });
      interface Rule {
        apiGroups: string[];
        resources: string[];
        verbs: string[];
      }
      const { status } = JSON.parse(answer) as { status: { resourceRules: Rule[] } };
      return (
        status.resourceRules
          // What every service account may: ask about itself, and read public certificates.
          .filter(({ apiGroups }) => !/^(authorization|authentication|certificates)[.]k8s[.]io$/.test(apiGroups.join()))
          .map(({ resources, verbs }) => `${resources.join()}: ${verbs.join()}`)
          .sort()
      );
    };
    const everywhere = ['nodestores/status: patch', 'nodestores: get,list,watch', 'pods: list'];
    expect(await rightsIn(namespace)).toEqual(everywhere);
    expect(await rightsIn(system)).toEqual(everywhere);
    expect(await rightsIn(sources)).toEqual([...everywhere, 'secrets: get']);
  });
});

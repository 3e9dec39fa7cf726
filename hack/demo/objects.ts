import { labels } from '../../src/api/names.ts';

/** Everything that the demo creates, as plain manifests. */
export const demoNamespace = 'monoroot-demo';
export const os = 'debian-12';
export const versions = ['v1', 'v2', 'v3'] as const;
export const containers = ['web-1', 'web-2'] as const;
export const files = 'files';
export const port = 8080;
/** What a customer writes to /data/www/index.html. */
export const customersPage = 'Pages of the customer';

/** By this label an earlier run is found. */
export const partOf = { 'app.kubernetes.io/part-of': demoNamespace };
export const selector = `app.kubernetes.io/part-of=${demoNamespace}`;

/**
 * Where a node keeps the data of the demo. Below the kubelet's directory, as that is one of a node's own in every cluster, also
 * where nodes share the file system of a machine.
 */
export const dataDirectory = '/var/lib/kubelet/monoroot-demo';

export const namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: demoNamespace, labels: { ...partOf, 'pod-security.kubernetes.io/enforce': 'privileged' } },
};

/** A Service in front of the Pods with these labels. */
const service = (name: string, selector: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: demoNamespace, labels: partOf },
  spec: { selector, ports: [{ port, targetPort: port }] },
});

/** A web server for the archives. `image` has Node: that of the operator, which every node has or can get. */
export function webServer(image: string, source: string): object[] {
  const app = { 'app.kubernetes.io/name': files };
  const server = {
    name: files,
    image,
    command: ['node', '/program/webserver.ts', '/data', String(port)],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'program', mountPath: '/program' },
      { name: 'data', mountPath: '/data' },
    ],
    securityContext: {
      runAsUser: 65532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
  };
  const volumes = [
    { name: 'program', configMap: { name: files } },
    { name: 'data', emptyDir: {} },
  ];
  return [
    service(files, app),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: files, namespace: demoNamespace, labels: partOf },
      data: { 'webserver.ts': source },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: files, namespace: demoNamespace, labels: partOf },
      spec: {
        selector: { matchLabels: app },
        template: {
          metadata: { labels: { ...partOf, ...app } },
          spec: { containers: [server], volumes, terminationGracePeriodSeconds: 0 },
        },
      },
    },
  ];
}

/** The version as an image of the cluster. */
export function image(version: string, sha256: string): object {
  const url = `http://${files}.${demoNamespace}.svc:${port}/${os}-${version}.tar.zst`;
  return {
    apiVersion: 'monoroot.dev/v1alpha1',
    kind: 'OSImage',
    metadata: { name: `${os}.${version}`, labels: partOf },
    spec: { os, version, source: { http: { url, sha256 } } },
  };
}

/** The one distribution of the operating system, as it is edited to a version. */
export const distribution = (version: string, activate: object = {}): object => ({
  apiVersion: 'monoroot.dev/v1alpha1',
  kind: 'ImageDistribution',
  metadata: { name: os, labels: partOf },
  spec: { image: `${os}:${version}`, activate },
});

/** Makes empty directories for the data on a node, whatever an earlier run has left there. */
export function dataMaker(node: string, image: string): object {
  const made = containers.map((name) => `/data/${name}`).join(' ');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'make-data', namespace: demoNamespace, labels: partOf },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      restartPolicy: 'Never',
      volumes: [{ name: 'data', hostPath: { path: dataDirectory, type: 'DirectoryOrCreate' } }],
      containers: [
        {
          name: 'make-data',
          image,
          command: ['sh', '-c', `rm -rf ${made} && mkdir ${made}`],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
    },
  };
}

/** A claim bound to a directory of that node, as a customer's data would be. */
export function data(name: string, node: string): object[] {
  const size = '1Gi';
  const claim = `${name}-data`;
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `${demoNamespace}-${claim}`, labels: partOf },
      spec: {
        capacity: { storage: size },
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        persistentVolumeReclaimPolicy: 'Retain',
        claimRef: { namespace: demoNamespace, name: claim },
        local: { path: `${dataDirectory}/${name}` },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: claim, namespace: demoNamespace, labels: partOf },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        volumeName: `${demoNamespace}-${claim}`,
        resources: { requests: { storage: size } },
      },
    },
  ];
}

/** A customer's container, as it would be in a Git repository, and the Service that leads to it. */
export function container(name: string, version: string): object[] {
  return [
    service(name, { [labels.hostedContainer]: name }),
    {
      apiVersion: 'monoroot.dev/v1alpha1',
      kind: 'HostedContainer',
      metadata: { name, namespace: demoNamespace, labels: partOf },
      spec: {
        image: `${os}:${version}`,
        timeZone: 'Australia/Sydney',
        ports: [{ containerPort: port }],
        readinessProbe: { httpGet: { path: '/healthz', port }, periodSeconds: 1 },
        data: { claimName: `${name}-data` },
        upgrade: { minReadySeconds: 3, maxRestarts: 2, progressDeadlineSeconds: 90 },
        podTemplate: { terminationGracePeriodSeconds: 10 },
      },
    },
  ];
}

/** Containers that follow the default version of their OS. */
export const followers = ['shop-1', 'shop-2', 'shop-3', 'shop-4', 'shop-5', 'shop-6'] as const;
export const followersLabel = { demo: 'follower' };

/** One of them: its spec has no version, so no upgrade ever changes it. */
export const follower = (name: string): object => ({
  apiVersion: 'monoroot.dev/v1alpha1',
  kind: 'HostedContainer',
  metadata: { name, namespace: demoNamespace, labels: { ...partOf, ...followersLabel } },
  spec: {
    image: os,
    readinessProbe: { httpGet: { path: '/healthz', port }, periodSeconds: 1 },
    upgrade: { minReadySeconds: 2, maxRestarts: 2, progressDeadlineSeconds: 90 },
    podTemplate: { terminationGracePeriodSeconds: 5 },
  },
});

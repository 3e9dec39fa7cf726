/** The manifests of a registry (distribution) with its images in an emptyDir: they are gone with its Pod. */

export const name = 'registry';
export const port = 5000;

export interface RegistryObjects {
  namespace: string;
  image: string;
  /** Lines `user:bcrypt hash`; everybody may do everything when there are none. */
  htpasswd?: string | undefined;
  /** Served over TLS when set. */
  tls?: { certificate: string; key: string } | undefined;
}

export function registryObjects({ namespace, image, htpasswd, tls }: RegistryObjects): object[] {
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const configuration = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: '/data' } },
    http: { addr: `:${port}`, ...(tls && { tls: { certificate: '/config/tls.crt', key: '/config/tls.key' } }) },
    ...(htpasswd !== undefined && { auth: { htpasswd: { realm: name, path: '/config/htpasswd' } } }),
  };
  const files = {
    // JSON is YAML.
    'config.yml': JSON.stringify(configuration),
    ...(htpasswd !== undefined && { htpasswd }),
    ...(tls && { 'tls.crt': tls.certificate, 'tls.key': tls.key }),
  };
  const container = {
    name,
    image,
    imagePullPolicy: 'Never',
    args: ['serve', '/config/config.yml'],
    env: [{ name: 'OTEL_TRACES_EXPORTER', value: 'none' }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'config', mountPath: '/config', readOnly: true },
      { name: 'data', mountPath: '/data' },
    ],
    securityContext: {
      runAsUser: 65532,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
  const volumes = [
    { name: 'config', secret: { secretName: name } },
    { name: 'data', emptyDir: {} },
  ];
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: files },
    // On a port of each node too: there it is found by the nodes themselves and by the machine that they run on.
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'NodePort', selector: labels, ports: [{ port }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        strategy: { type: 'Recreate' },
        template: {
          metadata: { labels },
          spec: {
            containers: [container],
            volumes,
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 1,
          },
        },
      },
    },
  ];
}

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { waitForServiceProxy } from '../../../hack/lib/kube/service-proxy.ts';
import { run } from '../../../hack/lib/process.ts';
import { hack, fieldManager, kubectl, namespace } from './system.ts';

/** A web server in the cluster for archives, with faults on request; see server.mjs. */
const app = { app: 'files' };
const host = `files.${namespace}.svc`;
const proxy = `/api/v1/namespaces/${namespace}/services/files:8080/proxy/good`;

export interface Archive {
  file: string;
  sha256: string;
}

/** The URL of an archive, with the fault that it is served with. */
export const url = (
  archive: Archive,
  fault: 'good' | 'slow' | 'truncated' | 'bearer' | 'basic' = 'good',
  tls = false,
): string => `${tls ? `https://${host}:8443` : `http://${host}:8080`}/${fault}/${archive.file}`;

/** Starts the server again, without files; gives the certificate that it shows over TLS. */
export async function serveFiles(): Promise<{ certificate: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  const [crt, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  const subject = ['-subj', '/CN=files', '-addext', `subjectAltName=DNS:${host}`];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    crt,
    '-days',
    '2',
    ...subject,
  ]);
  const certificate = readFileSync(crt, 'utf8');
  await kubectl.apply(
    [
      {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'files', namespace },
        data: { 'server.mjs': readFileSync(join(import.meta.dirname, 'server.mjs'), 'utf8') },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'files', namespace },
        stringData: { 'tls.crt': certificate, 'tls.key': readFileSync(key, 'utf8') },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'files', namespace },
        spec: {
          selector: app,
          ports: [
            { name: 'http', port: 8080 },
            { name: 'https', port: 8443 },
          ],
        },
      },
      deployment(String(Date.now())),
    ],
    fieldManager,
  );
  await kubectl.run(['-n', namespace, 'rollout', 'status', 'deployment/files', '--timeout=120s']);
  await waitForServiceProxy(kubectl, `${proxy}/`);
  return { certificate };
}

const deployment = (started: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'files', namespace },
  spec: {
    selector: { matchLabels: app },
    strategy: { type: 'Recreate' },
    template: {
      metadata: { labels: app, annotations: { started } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'files',
            image: 'localhost/monoroot:dev',
            imagePullPolicy: 'IfNotPresent',
            command: ['node', '/server/server.mjs'],
            readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
            volumeMounts: [
              { name: 'server', mountPath: '/server' },
              { name: 'tls', mountPath: '/etc/tls' },
              { name: 'files', mountPath: '/files' },
            ],
          },
        ],
        volumes: [
          { name: 'server', configMap: { name: 'files' } },
          { name: 'tls', secret: { secretName: 'files' } },
          { name: 'files', emptyDir: {} },
        ],
      },
    },
  },
});

/** Makes a tiny OS image and puts it on the server. */
export async function tinyArchive(version: string, ...options: string[]): Promise<Archive> {
  return upload((await hack('osimages', 'tiny', version, ...options)).trim());
}

/**
 * Puts a file on the server, through the API server and not through `kubectl exec`, which may end the input of a command too
 * early without saying so.
 */
export async function upload(path: string): Promise<Archive> {
  const file = basename(path);
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  const stored = (await kubectl.run(['replace', '--raw', `${proxy}/${file}`, '-f', path])).trim();
  if (stored !== sha256) throw new Error(`${file} did not arrive on the server whole: ${stored}`);
  return { file, sha256 };
}

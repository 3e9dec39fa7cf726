import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const files = ['ca.crt', 'ca.key', 'server.crt', 'server.key', 'admin.crt', 'admin.key'] as const;

/** Paths of what a test API server needs to prove who it is, and an administrator too. */
export type Pki = Record<(typeof files)[number], string>;

/** Makes a certificate authority, a server certificate for 127.0.0.1 and an administrator's client certificate. */
export function createPki(directory: string): Pki {
  const at = (name: string) => join(directory, name);
  const certificate = (name: string, subject: string, ...more: string[]) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at(`${name}.key`)];
    const args = ['req', '-x509', ...key, '-out', at(`${name}.crt`), '-days', '7', '-subj', subject, ...more];
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const signed = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE'];
  certificate('ca', '/CN=test-ca');
  certificate('server', '/CN=kube-apiserver', ...signed, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost');
  certificate('admin', '/O=system:masters/CN=admin', ...signed, '-addext', 'extendedKeyUsage=clientAuth');
  return Object.fromEntries(files.map((name) => [name, at(name)])) as Pki;
}

/** Writes a kubeconfig of the administrator for the API server at `url`. */
export function writeKubeconfig(path: string, url: string, pki: Pki): void {
  const data = (name: keyof Pki) => readFileSync(pki[name]).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': data('ca.crt') } }],
    users: [
      { name: 'admin', user: { 'client-certificate-data': data('admin.crt'), 'client-key-data': data('admin.key') } },
    ],
  };
  writeFileSync(path, JSON.stringify(config));
}

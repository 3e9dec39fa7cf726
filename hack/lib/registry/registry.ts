import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineResource, nodes } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import type { Kubectl } from '../kube/kubectl.ts';
import { waitFor } from '../kube/wait.ts';
import { run } from '../process.ts';
import { name, port, registryObjects } from './objects.ts';

/** A registry in the cluster, to test with: it forgets its images when it ends. */
export interface Registry {
  /** `host:port` as Pods reach it, through the cluster's DNS. */
  address: string;
  /** `host:port` as nodes and the machine that they run on reach it. */
  nodeAddress: string;
  /** The authority that signed its certificate; undefined without TLS. */
  certificate?: string;
  /** Pushes the image of an OCI layout as `repository:tag`; resolves to the digest of its manifest. */
  push: (layout: string, repository: string) => Promise<string>;
}

export interface Credentials {
  username: string;
  password: string;
}

export interface RegistryOptions {
  namespace: string;
  /** Who alone may push and pull; everybody when unset. */
  credentials?: Credentials;
  tls?: boolean;
}

interface Service extends KubeObject {
  spec: { ports: { nodePort: number }[] };
}
const services = defineResource<Service>({ group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true }); // prettier-ignore
const cluster = join(import.meta.dirname, '../../cluster');

/**
 * Starts a registry, without images, in an existing namespace, instead of one that is there; one in a namespace at a time. It
 * goes with its namespace, or by `stopRegistry`.
 */
export async function startRegistry(kubectl: Kubectl, options: RegistryOptions): Promise<Registry> {
  const { namespace, credentials } = options;
  const host = `${name}.${namespace}.svc`;
  const image = (await must(cluster, ['registry'])).trim();
  const htpasswd = credentials && (await htpasswdLine(credentials));
  const addresses = await nodeAddresses(kubectl);
  const tls = options.tls === true ? await makeCertificate(host, addresses) : undefined;
  await stopRegistry(kubectl, namespace);
  await kubectl.apply(registryObjects({ namespace, image, htpasswd, tls }), 'registry');
  await kubectl.run(['-n', namespace, 'rollout', 'status', `deployment/${name}`, '--timeout=120s']);

  const service = await kubectl.get(services, { name, namespace });
  const nodePort = service?.spec.ports[0]?.nodePort ?? 0;
  // A Pod that is Ready is behind its Service only a moment later, on each node at its own time.
  for (const address of addresses) await waitForPort(address, nodePort);
  const nodeAddress = `${addresses[0] ?? ''}:${nodePort}`;
  const push = async (layout: string, repository: string) => {
    const target = `${nodeAddress}/${repository}`;
    // Over TLS that means: whoever signed the certificate.
    const args = ['push', '--insecure', layout, target];
    const pushed = await withDockerConfig(nodeAddress, credentials, (DOCKER_CONFIG) =>
      must('crane', args, { ...kubectl.env, DOCKER_CONFIG }),
    );
    return pushed.trim().replace(/^.*@/, '');
  };
  return { address: `${host}:${port}`, nodeAddress, push, ...(tls && { certificate: tls.certificate }) };
}

/** Removes the registry and what it holds; does nothing when there is none. */
export async function stopRegistry(kubectl: Kubectl, namespace: string): Promise<void> {
  const objects = [`deployment/${name}`, `service/${name}`, `secret/${name}`];
  await kubectl.run(['-n', namespace, 'delete', ...objects, '--ignore-not-found', '--timeout=60s']);
}

/** What a Secret of type kubernetes.io/dockerconfigjson holds for this registry. */
export function dockerConfig(address: string, { username, password }: Credentials): string {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  return JSON.stringify({ auths: { [address]: { auth } } });
}

async function withDockerConfig<T>(
  address: string,
  credentials: Credentials | undefined,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-docker-'));
  try {
    writeFileSync(join(directory, 'config.json'), credentials ? dockerConfig(address, credentials) : '{}');
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function nodeAddresses(kubectl: Kubectl): Promise<string[]> {
  const ready = (await kubectl.list(nodes)).filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  const addresses = ready.map(({ status }) => status?.addresses?.find(({ type }) => type === 'InternalIP')?.address);
  return addresses.filter((address) => address !== undefined);
}

async function waitForPort(host: string, port: number): Promise<void> {
  const look = async () => {
    const socket = connect({ host, port, timeout: 2000 });
    socket.once('timeout', () => socket.destroy(new Error(`${host}:${port} does not answer`)));
    try {
      await once(socket, 'connect');
      return { done: undefined };
    } finally {
      socket.destroy();
    }
  };
  await waitFor(`The registry answers on ${host}:${port}`, look, { seconds: 30 });
}

/** The C library knows bcrypt, the only hash that the registry takes, and perl is on every Debian. */
async function htpasswdLine({ username, password }: Credentials): Promise<string> {
  const salt = '$2b$05$' + 'monoroot'.repeat(3).slice(0, 21) + 'u';
  const env = { ...process.env, PASSWORD: password, SALT: salt };
  const hash = await must('perl', ['-e', 'print crypt($ENV{PASSWORD}, $ENV{SALT})'], env);
  if (!hash.startsWith('$2b$')) throw new Error('crypt() of this machine knows no bcrypt');
  return `${username}:${hash}\n`;
}

async function makeCertificate(
  host: string,
  addresses: readonly string[],
): Promise<{ certificate: string; key: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-tls-'));
  const [certificate, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  try {
    const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
    const names = [`DNS:${host}`, ...addresses.map((address) => `IP:${address}`)].join();
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`];
    await must('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', certificate]);
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function must(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { timeoutSeconds: 600, ...(env && { env }) });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr.trim().slice(-2000)}`);
  return stdout;
}

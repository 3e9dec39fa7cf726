import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { rootEntries, sha256, tar } from './archive.ts';

/** A user of registries that ask for one; the hash is bcrypt, which is all that they take. */
export const user = { username: 'u', password: 'geheim' };
const htpasswd = 'u:$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu\n';

export interface TestRegistry {
  /** Name and port. */
  host: string;
  /** Where it keeps what was pushed; others can serve the same. */
  storage: string;
}

export interface RegistryChanges {
  storage?: string;
  /** Asks for {@link user}. */
  basic?: boolean;
  /** Asks for a token that this server gives. */
  token?: { realm: string; issuer: string; cert: string };
  tls?: { cert: string; key: string };
}

/** A real registry (distribution) on this machine, with its files in `directory`; `stop` is to be called in any case. */
export async function startRegistry(
  binaries: string,
  directory: string,
  changes: RegistryChanges = {},
): Promise<TestRegistry & { stop: () => Promise<void> }> {
  const write = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const { storage = join(directory, 'storage'), basic, token, tls } = changes;
  const host = `127.0.0.1:${await freePort()}`;
  const configuration = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage } },
    http: {
      addr: host,
      secret: 'test',
      ...(tls && { tls: { certificate: write('cert.pem', tls.cert), key: write('key.pem', tls.key) } }),
    },
    ...(basic && { auth: { htpasswd: { realm: 'test', path: write('htpasswd', htpasswd) } } }),
    ...(token && {
      auth: {
        token: {
          realm: token.realm,
          service: 'registry',
          issuer: token.issuer,
          rootcertbundle: write('issuer.pem', token.cert),
        },
      },
    }),
  };
  // YAML is a superset of JSON.
  const child = spawn(join(binaries, 'registry'), ['serve', write('config.yml', JSON.stringify(configuration))], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  let said = '';
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const deadline = Date.now() + 20_000;
  while (!(await isListening(host))) {
    if (Date.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error(`The registry does not listen: ${said}`);
    }
    await setTimeout(20);
  }
  return { host, storage, stop };
}

async function isListening(host: string): Promise<boolean> {
  // What speaks TLS answers something, too.
  return fetch(`http://${host}/v2/`).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const oci = 'application/vnd.oci.image';
export const types = {
  layer: `${oci}.layer.v1.tar`,
  config: `${oci}.config.v1+json`,
  manifest: `${oci}.manifest.v1+json`,
  index: `${oci}.index.v1+json`,
};

export interface TestLayer {
  bytes: Buffer;
  mediaType?: string;
}

export interface TestImage {
  layers: (Buffer | TestLayer)[];
  /** Of the configuration. */
  os?: string;
  architecture?: string;
  config?: Record<string, unknown>;
  /** Of the manifest. */
  changes?: Record<string, unknown>;
}

/** A layer that is a whole, small root file system. */
export const rootLayer = (prefix = '') => tar(rootEntries(prefix));

/** Pushes an image; gives the digest of its manifest. */
export async function pushImage(host: string, repository: string, image: TestImage): Promise<string> {
  const { layers, os = 'linux', architecture = 'amd64', config, changes } = image;
  const push = async (bytes: Buffer, mediaType: string) => {
    const digest = await pushBlob(host, repository, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const pushed = [];
  for (const layer of layers) {
    const { bytes, mediaType = types.layer } = Buffer.isBuffer(layer) ? { bytes: layer } : layer;
    pushed.push(await push(bytes, mediaType));
  }
  const file = { os, architecture, ...(config && { config }), rootfs: { type: 'layers', diff_ids: [] } };
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: await push(Buffer.from(JSON.stringify(file)), types.config),
    layers: pushed,
    ...changes,
  };
  return pushManifest(host, repository, manifest);
}

/** Pushes an index of manifests that are there; gives its digest. */
export async function pushIndex(host: string, repository: string, platforms: Record<string, string>): Promise<string> {
  const manifests = Object.entries(platforms).map(([platform, digest]) => {
    const [os = '', architecture = ''] = platform.split('/');
    return { mediaType: types.manifest, digest, size: 1, platform: { os, architecture } };
  });
  return pushManifest(host, repository, { schemaVersion: 2, mediaType: types.index, manifests });
}

async function pushManifest(host: string, repository: string, manifest: object): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = `sha256:${sha256(bytes)}`;
  const mediaType = 'mediaType' in manifest ? String(manifest.mediaType) : types.manifest;
  const headers = { 'content-type': mediaType };
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest}`, {
    method: 'PUT',
    headers,
    body: bytes,
  });
  if (!answer.ok) throw new Error(`The manifest was not taken: ${answer.status} ${await answer.text()}`);
  return digest;
}

async function pushBlob(host: string, repository: string, bytes: Buffer): Promise<string> {
  const digest = `sha256:${sha256(bytes)}`;
  const begun = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const url = new URL(begun.headers.get('location') ?? '', `http://${host}`);
  url.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const answer = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  if (!answer.ok) throw new Error(`The blob was not taken: ${answer.status} ${await answer.text()}`);
  return digest;
}

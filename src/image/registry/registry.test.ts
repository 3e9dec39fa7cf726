import type { IncomingMessage, ServerResponse } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { sha256 } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { onThisMachine, serve } from '../../../test/fixtures/agent/server.ts';
import type { Reach } from '../download/reach.ts';
import { openRegistry } from './registry.ts';
import type { Registry } from './registry.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Server {
  host: string;
  /** What it was asked for. */
  asked: string[];
  connections: Set<unknown>;
}

async function start(answer: Answer): Promise<Server> {
  const [asked, connections] = [[] as string[], new Set<unknown>()];
  const origin = await serve((request, response) => {
    asked.push(request.url ?? '');
    connections.add(request.socket);
    answer(request, response);
  });
  return { host: origin.replace('http://', ''), asked, connections };
}

const digestOf = (bytes: Buffer) => `sha256:${sha256(bytes)}`;
const blobs = ['{"schemaVersion":2}', '{"architecture":"amd64"}', 'a layer'].map((text) => Buffer.from(text));
const [manifest = Buffer.alloc(0), configuration = Buffer.alloc(0), layer = Buffer.alloc(0)] = blobs;

/** Gives each of the blobs, under its digest. */
const serveBlobs: Answer = ({ url = '' }, response) => {
  const found = blobs.find((bytes) => url.includes(digestOf(bytes)));
  response.writeHead(found || url === '/v2/' ? 200 : 404).end(found);
};

async function use<T>(
  host: string,
  work: (registry: Registry) => Promise<T>,
  mirrors: string[] = [],
  reach: Reach = onThisMachine,
): Promise<T> {
  const mirrorsFile = join(temporaryDirectory(), 'registries.yaml');
  if (mirrors.length > 0) await writeFile(mirrorsFile, JSON.stringify({ registries: { [host]: { mirrors } } }));
  const source = { reference: `${host}/os:v1`, digest: digestOf(manifest), plainHTTP: true };
  const options = {
    readSecret: () => Promise.resolve(undefined),
    signal: AbortSignal.timeout(30_000),
    http: { reach },
  };
  const registry = await openRegistry(source, { mirrorsFile, warn: () => undefined }, options);
  try {
    return await work(registry);
  } finally {
    await registry.close();
  }
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof FetchError ? `${error.reason}: ${error.message}` : String(error);
}

async function readAll(registry: Registry): Promise<void> {
  expect(await registry.readManifest(digestOf(manifest))).toEqual(manifest);
  expect(await registry.readBlob(digestOf(configuration), configuration.length)).toEqual(configuration);
  await registry.download(digestOf(layer), async ({ body }) => {
    for await (const piece of body) expect(Buffer.from(piece)).toEqual(layer);
  });
}

/** Writes the same for as long as it is read. */
function endless(response: ServerResponse, piece: Buffer): void {
  response.writeHead(200);
  const more = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}

test('an image takes one connection to its registry and one login', async () => {
  const server = await start(serveBlobs);
  await use(server.host, readAll);
  expect(server.asked.map((url) => url.replace(/sha256:.*/, ''))).toEqual([
    '/v2/',
    '/v2/os/manifests/',
    '/v2/os/blobs/',
    '/v2/os/blobs/',
  ]);
  expect(server.connections.size).toBe(1);
});

test('a mirror of many registries is asked for manifests and blobs of the one that is meant', async () => {
  const mirror = await start(serveBlobs);
  await use('registry.example.com', readAll, [`http://${mirror.host}`]);
  const things = mirror.asked.slice(1);
  expect(things).toHaveLength(3);
  for (const url of things) expect(url).toMatch(/\?ns=registry\.example\.com$/);
});

test('a mirror may be on the node, and leads to nothing else there', async () => {
  const other = await start(serveBlobs);
  const mirror = await start((request, response) => {
    if (request.url?.includes(digestOf(layer))) response.writeHead(307, { location: `http://${other.host}/` }).end();
    else serveBlobs(request, response);
  });
  const told = await use('registry.invalid', (it) => refusal(readAll(it)), [`http://${mirror.host}`], {
    localSources: [],
  });
  expect(mirror.asked).toHaveLength(4);
  // The registry itself was asked then.
  expect(told).toMatch(/^UnreachableSource: registry\.invalid/);
  expect(other.asked).toEqual([]);
});

test.each(['127.0.0.1', 'localhost'])('a registry has no token asked of another server at %s', async (host) => {
  const other = await start((_request, response) => response.end(JSON.stringify({ token: 't' })));
  const realm = `http://${other.host.replace('127.0.0.1', host)}/token`;
  const server = await start((_request, response) => {
    response.setHeader('www-authenticate', `Bearer realm="${realm}",service="x"`);
    response.writeHead(401).end();
  });
  const reach = { localSources: [server.host] };
  const told = await use(server.host, (it) => refusal(it.readManifest(digestOf(manifest))), [], reach);
  expect(told).toMatch(/^LocalAddress: /);
  expect(other.asked).toEqual([]);
});

test('a login that has expired is made again, once', async () => {
  let [logins, refuseAll] = [0, false];
  const server = await start((request, response) => {
    const { url = '', headers } = request;
    if (url.startsWith('/token')) response.end(JSON.stringify({ token: `t${++logins}` }));
    else if (headers.authorization !== `Bearer t${logins}` || refuseAll || (logins === 1 && url.includes('blobs'))) {
      response.setHeader('www-authenticate', `Bearer realm="http://${headers.host ?? ''}/token",service="x"`);
      response.writeHead(401).end();
    } else serveBlobs(request, response);
  });
  await use(server.host, readAll);
  expect(logins).toBe(2);
  const told = await use(server.host, async (registry) => {
    await registry.readManifest(digestOf(manifest));
    refuseAll = true;
    return refusal(registry.readManifest(digestOf(manifest)));
  });
  expect(told).toMatch(/^Unauthorized: .*source\.oci\.pullSecretRef/);
});

test.each<[string, Buffer]>([
  ['bytes', Buffer.alloc(65536, 'x')],
  ['JSON', Buffer.from('[{},{},'.repeat(8000))],
])('a server for tokens that sends %s without end gives no token', async (_name, piece) => {
  const server = await start(({ url, headers }, response) => {
    if (url?.startsWith('/token')) endless(response, piece);
    else {
      response.setHeader('www-authenticate', `Bearer realm="http://${headers.host ?? ''}/token",service="x"`);
      response.writeHead(401).end();
    }
  });
  const told = await use(server.host, (registry) => refusal(registry.readManifest(digestOf(manifest))));
  expect(told).toMatch(/^HTTPStatus: .* no token for /);
});

test('a manifest or a configuration without end is read up to its limit', async () => {
  const server = await start(({ url }, response) => {
    if (url === '/v2/') response.end();
    else endless(response, Buffer.alloc(65536, 'x'));
  });
  const read = (work: (registry: Registry) => Promise<unknown>) =>
    use(server.host, (registry) => refusal(work(registry)));
  const digest = digestOf(manifest);
  expect(await read((it) => it.readManifest(digest))).toMatch(/^DigestMismatch: .* more than the 4194304 bytes/);
  expect(await read((it) => it.readBlob(digest, 100))).toMatch(/^DigestMismatch: .* more than the 100 bytes/);
  expect(await read((it) => it.readBlob(digest, 1e12))).toMatch(/^DigestMismatch: .* more than the 4194304 bytes/);
});

test('a manifest that is not there, or is another one, is reported as such', async () => {
  const server = await start(serveBlobs);
  const digest = `sha256:${'0'.repeat(64)}`;
  expect(await use(server.host, (it) => refusal(it.readManifest(digest)))).toMatch(/^ManifestUnknown: /);
  const other = await start((_request, response) => response.end('{}'));
  expect(await use(other.host, (it) => refusal(it.readManifest(digest)))).toMatch(/^DigestMismatch: /);
});

import { createHash } from 'node:crypto';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { createDispatcher } from '../image/download/connect.ts';
import { namedByUser } from '../image/download/reach.ts';
import type { Proxies } from '../image/download/connect.ts';
import { connectionFailure } from '../image/download/http-failure.ts';
import { FetchError } from '../image/failure.ts';
import { authorize } from '../image/registry/authorize.ts';
import { parseConfig, parseManifest } from '../image/registry/image.ts';
import { readLogin } from '../image/registry/login.ts';
import { originOf, parseRepository, urlOf } from '../image/registry/repository.ts';
import { TooManyBytes, readAll } from '../runtime/bytes.ts';
import type { LiteralDefaults } from '../api/osimage.ts';

export interface ResolveOptions {
  architecture: 'amd64' | 'arm64';
  plainHTTP: boolean;
  /** Content of a Secret with the login, as for a Pod. */
  login: Record<string, string> | undefined;
  /** PEM of the authorities that may sign the registry's certificate. */
  ca: string | undefined;
  proxies: Proxies | undefined;
  signal: AbortSignal;
}

/** What a registry has under a name. */
export interface ResolvedImage {
  /** Of the manifest, or of the index. */
  digest: string;
  /** As a node will take them. */
  defaults: LiteralDefaults | undefined;
  layers: number;
  /** Of all layers, as they are served. */
  bytes: number;
}

const accepted = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
/** No registry takes a bigger manifest; a configuration is smaller as a rule. */
const largest = 4 * 1024 * 1024;
const seconds = 30;
/** Any processor is fine here: the node looks at its own. */
const anyLevel = 4;

/**
 * Asks a registry what `reference` (`registry/repository`) has under a tag or digest, and reads it as a node will. Throws a FetchError,
 * also when nodes could not use it.
 */
export async function resolveImage(
  reference: string,
  tag: string,
  { architecture, plainHTTP, login: secret, ca, proxies, signal }: ResolveOptions,
): Promise<ResolvedImage> {
  const repository = parseRepository(reference, plainHTTP);
  const source = { reference, digest: '', ...(secret && { pullSecretRef: { name: 'login' } }) };
  const login = await readLogin(source, repository, () => Promise.resolve(secret));
  const dispatcher = createDispatcher(new URL(originOf(repository)), { ca, proxies, reach: namedByUser });
  try {
    const authorization = await authorize(repository, login, { dispatcher, signal });
    const get = (url: URL, accept: string) =>
      read(url, { dispatcher, signal, headers: { accept, ...(authorization !== undefined && { authorization }) } });
    const manifest = (of: string) => get(new URL(urlOf(repository, 'manifests', of)), accepted);
    const bytes = await manifest(tag);
    const digest = digestOf(bytes);
    if (tag.startsWith('sha256:')) expectDigest(tag, bytes, repository.host);
    let found = parseManifest(bytes, architecture, anyLevel);
    if ('child' in found) {
      const { child } = found;
      const inner = await manifest(child);
      expectDigest(child, inner, repository.host);
      found = parseManifest(inner, architecture);
    }
    if ('child' in found) throw new FetchError('UnsupportedImage', 'Its index names another index; push an image');
    const config = await get(new URL(urlOf(repository, 'blobs', found.config.digest)), '*/*');
    expectDigest(found.config.digest, config, repository.host);
    const defaults = parseConfig(config, architecture);
    return {
      digest,
      defaults,
      layers: found.layers.length,
      bytes: found.layers.reduce((sum, { size }) => sum + size, 0),
    };
  } finally {
    await dispatcher.destroy();
  }
}

interface Asking {
  dispatcher: Dispatcher;
  signal: AbortSignal;
  headers: Record<string, string>;
}

const redirects = new Set([301, 302, 303, 307, 308]);

/** Blobs are often elsewhere: the login is for the registry only. */
async function read(url: URL, asking: Asking, hops = 5): Promise<Buffer> {
  const { signal } = asking;
  const timeouts = { headersTimeout: seconds * 1000, bodyTimeout: seconds * 1000 };
  const { statusCode, headers, body } = await request(url, { ...asking, ...timeouts }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw connectionFailure(error, url.host);
  });
  if (redirects.has(statusCode) && hops > 0) {
    await body.dump();
    const next = new URL(String(headers['location'] ?? ''), url);
    const { authorization: _login, ...others } = asking.headers;
    return read(next, next.origin === url.origin ? asking : { ...asking, headers: others }, hops - 1);
  }
  if (statusCode !== 200) {
    await body.dump();
    throw refusal(url, statusCode);
  }
  return readAll(body, largest).catch((error: unknown) => {
    if (!(error instanceof TooManyBytes)) throw error;
    throw new FetchError('TooLarge', `${url.host} sends more than ${largest} bytes for ${url.pathname}`);
  });
}

function refusal({ host, pathname }: URL, status: number): FetchError {
  if (status === 404) return new FetchError('ManifestUnknown', `${host} has no ${pathname.replace(/^\/v2\//, '')}`);
  if (status === 401 || status === 403)
    return new FetchError('Unauthorized', `${host} does not let it be read (${status})`);
  return new FetchError('HTTPStatus', `${host} answered ${status} for ${pathname}`);
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function expectDigest(digest: string, bytes: Buffer, host: string): void {
  if (digestOf(bytes) === digest) return;
  throw new FetchError('DigestMismatch', `${host} gave other bytes than ${digest}; check the registry`);
}

export { proxiesOf } from '../image/download/connect.ts';
export { FetchError } from '../image/failure.ts';

/** Asks a web server whether it has a file. One that wants a login answers, and that is enough. Throws a FetchError. */
export async function askServer(
  address: string,
  { proxies, signal }: Pick<ResolveOptions, 'proxies' | 'signal'>,
): Promise<void> {
  const url = new URL(address);
  const dispatcher = createDispatcher(url, { ca: undefined, proxies, reach: namedByUser });
  try {
    const timeouts = { headersTimeout: seconds * 1000, bodyTimeout: seconds * 1000 };
    const { statusCode, body } = await request(url, { method: 'HEAD', dispatcher, signal, ...timeouts }).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        throw connectionFailure(error, url.host);
      },
    );
    await body.dump();
    if (statusCode >= 400 && ![401, 403, 405, 501].includes(statusCode)) throw refusal(url, statusCode);
  } finally {
    await dispatcher.destroy();
  }
}

import { createHash } from 'node:crypto';
import type { OciSource } from '../../api/sources.ts';
import { readAuthority } from '../download/credentials.ts';
import type { Credentials, ReadSecret } from '../download/credentials.ts';
import type { HttpSettings } from '../download/http-request.ts';
import { openHttp } from '../download/http.ts';
import type { Download, HttpOptions } from '../download/http.ts';
import { FetchError } from '../failure.ts';
import type { FailureReason } from '../failure.ts';
import { verifySignature } from '../signatures/cosign.ts';
import type { Rule } from '../signatures/policy.ts';
import { wrongDigest } from '../transfer.ts';
import { authorize } from './authorize.ts';
import { readManifest } from './crane.ts';
import { readLogin } from './login.ts';
import { readMirrors } from './mirrors.ts';
import { atMirror, blobUrl, parseReference, registryOf } from './repository.ts';
import type { Repository } from './repository.ts';

/** How registries are asked, whatever the image. */
export interface RegistryPorts {
  /** Path of the program `crane`. */
  crane: string;
  /** File that lists mirrors; it need not be there. */
  mirrorsFile: string;
  /** Told of a mirror that was of no use, and of a file of mirrors that is not valid. */
  warn: (message: string) => void;
}

export interface RegistryOptions extends Pick<HttpOptions, 'signal' | 'throttle'> {
  http?: HttpSettings | undefined;
  readSecret: ReadSecret;
  /** Path of the program `cosign`, and the signature that an image must have before any of it is fetched. */
  signature?: { cosign: string; rule: Rule } | undefined;
}

/** The repository of one image: at its registry, or wherever else the same bytes are to be had. */
export interface Registry {
  /** Makes sure that the image has the signature that it must have, if any, at a mirror or at its registry. */
  verifySignature(digest: string): Promise<void>;
  /** The bytes of a manifest or an index, verified. */
  readManifest(digest: string): Promise<Buffer>;
  /** The bytes of a small blob, verified. */
  readBlob(digest: string, size: number): Promise<Buffer>;
  /** Downloads a blob. `use` must verify it, and is called again, to begin anew, when a mirror has failed. */
  download<T>(digest: string, use: (download: Download) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** A mirror is near or it is none. */
const mirrorSettings: HttpSettings = { connectTimeoutSeconds: 5, vainResumes: 1 };
const largestConfig = 8 * 1024 * 1024;

/** What another server may do better. */
const ofTheServer = new Set<FailureReason>([
  'UnreachableSource',
  'HTTPStatus',
  'Unauthorized',
  'CertificateUntrusted',
  'TooManyRedirects',
  'SourceChanged',
  'ManifestUnknown',
  'DigestMismatch',
  'TruncatedArchive',
  'SignatureMissing',
  'SignatureInvalid',
]);

/** A mirror of which it is known need not be bad for other things. */
const ofTheThing = new Set<FailureReason>(['ManifestUnknown', 'HTTPStatus', 'SignatureMissing', 'SignatureInvalid']);

/** Finds out where the image of a source is to be asked for: first at the mirrors of its registry, then there. */
export async function openRegistry(
  source: OciSource,
  ports: RegistryPorts,
  options: RegistryOptions,
): Promise<Registry> {
  const { signal, readSecret, throttle } = options;
  const origin = parseReference(source.reference, source.plainHTTP);
  const registry = registryOf(source.reference);
  const mirrors = await readMirrors(ports.mirrorsFile, registry, ports.warn);
  const repositories = [...mirrors.map((mirror) => atMirror(origin, mirror, registry)), origin];

  const settingsFor = ({ mirrorOf }: Repository) => ({
    ...options.http,
    ...(mirrorOf !== undefined && mirrorSettings),
  });

  async function login(repository: Repository) {
    const [found, ca] = await Promise.all([
      readLogin(source, repository, readSecret),
      // The authority of the source is for its registry; a mirror is trusted as any web server.
      repository.mirrorOf === undefined ? readAuthority(source, readSecret) : undefined,
    ]);
    const authorization = await authorize(repository, found, { ...settingsFor(repository), ca, signal });
    const credentials: Credentials = { ...(authorization !== undefined && { authorization }), ...(ca && { ca }) };
    return { login: found, ca, credentials };
  }

  /** Asks one after the other. What has failed is not asked again for this image, unless it just did not have something. */
  async function ask<T>(attempt: (repository: Repository) => Promise<T>): Promise<T> {
    for (const repository of [...repositories]) {
      try {
        return await attempt(repository);
      } catch (error) {
        signal.throwIfAborted();
        const { host, mirrorOf } = repository;
        if (mirrorOf === undefined || !(error instanceof FetchError) || !ofTheServer.has(error.reason)) throw error;
        ports.warn(`Mirror ${host} of ${mirrorOf} was of no use: ${error.reason}: ${error.message}`);
        if (!ofTheThing.has(error.reason)) repositories.splice(repositories.indexOf(repository), 1);
      }
    }
    throw new Error('There is no registry to ask');
  }

  const download: Registry['download'] = (digest, use, until = signal) =>
    ask(async (repository) => {
      const credentials = async () => (await login(repository)).credentials;
      const settings = { ...settingsFor(repository), signal: until, throttle, credentials };
      const opened = await openHttp(blobUrl(repository, digest), settings);
      try {
        return await use(opened);
      } finally {
        await opened.close();
      }
    });

  /** What a program needs to ask a repository. Also tells whether the registry can be reached and trusted. */
  async function access(repository: Repository) {
    const { login: found, ca } = await login(repository);
    return { login: found, ca, proxies: options.http?.proxies, signal };
  }

  const { signature } = options;
  return {
    async verifySignature(digest) {
      if (!signature || signature.rule.keys.length === 0) return;
      const { cosign, rule } = signature;
      await ask(async (repository) =>
        verifySignature(repository, digest, rule, { cosign, ...(await access(repository)) }),
      );
    },
    readManifest: (digest) =>
      ask(async (repository) => {
        const bytes = await readManifest(repository, digest, { crane: ports.crane, ...(await access(repository)) });
        check(bytes, digest);
        return bytes;
      }),
    readBlob: (digest, size) =>
      download(digest, async ({ body }) => {
        const pieces: Uint8Array[] = [];
        let bytes = 0;
        for await (const piece of body) {
          bytes += piece.length;
          if (bytes > Math.min(size, largestConfig)) throw tooLong(digest, size);
          pieces.push(piece);
        }
        const blob = Buffer.concat(pieces);
        check(blob, digest);
        return blob;
      }),
    download,
  };
}

function check(bytes: Buffer, digest: string): void {
  const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (actual !== digest) throw wrongDigest(digest, actual, bytes.length);
}

/** More bytes come than the manifest says. */
export function tooLong(digest: string, size: number): FetchError {
  const message = `${digest} has more than the ${size} bytes that the manifest says; check the registry`;
  return new FetchError('DigestMismatch', message);
}

import { createHash } from 'node:crypto';
import { TooManyBytes, readAll } from '../../runtime/bytes.ts';
import type { OciSource } from '../../api/sources.ts';
import type { ReadSecret } from '../download/credentials.ts';
import { statusOf } from '../download/http-failure.ts';
import type { HttpSettings } from '../download/http-request.ts';
import { openHttp } from '../download/http.ts';
import type { Download, HttpOptions } from '../download/http.ts';
import { FetchError, wrongDigest } from '../failure.ts';
import type { FailureReason } from '../failure.ts';
import { configurationLimits, manifestLimits } from '../untrusted.ts';
import { refused } from './authorize.ts';
import type { Login } from './login.ts';
import { readMirrors } from './mirrors.ts';
import { atMirror, parseRepository, registryOf, urlOf } from './repository.ts';
import type { Kind, Repository } from './repository.ts';
import { openSession, withCredentials } from './session.ts';
import type { Session } from './session.ts';

/** How registries are asked, whatever the image. */
export interface RegistryPorts {
  /** File that lists mirrors; it need not be there. */
  mirrorsFile: string;
  /** Told of a mirror that was of no use, and of a file of mirrors that is not valid. */
  warn: (message: string) => void;
}

export interface RegistryOptions extends Pick<HttpOptions, 'signal' | 'throttle'> {
  http?: HttpSettings | undefined;
  readSecret: ReadSecret;
}

/** The repository of one image at one server. All of it throws a FetchError, ManifestUnknown where the server has no such thing. */
export interface Server {
  repository: Repository;
  /** The bytes of a manifest or an index, verified. */
  readManifest(digest: string, until: AbortSignal): Promise<Buffer>;
  /** The bytes of a small blob, verified. */
  readBlob(digest: string, size: number, until: AbortSignal): Promise<Buffer>;
  /** What is under a tag now; undefined when there is none. */
  readTag(tag: string, until: AbortSignal): Promise<Buffer | undefined>;
  /** The list of what refers to a digest; undefined when the server keeps no such lists. */
  readReferrers(digest: string, until: AbortSignal): Promise<Buffer | undefined>;
}

/** The repository of one image: at its registry, or wherever else the same bytes are to be had. */
export interface Registry {
  /** Asks the mirrors, one after the other, then the registry, until one gives an answer that `attempt` is content with. */
  ask<T>(attempt: (server: Server) => Promise<T>): Promise<T>;
  /** The bytes of a manifest or an index, verified. */
  readManifest(digest: string): Promise<Buffer>;
  /** The bytes of a small blob, verified. */
  readBlob(digest: string, size: number): Promise<Buffer>;
  /** Downloads a blob. `use` must verify it, and is called again, to begin again, when a mirror has failed. */
  download<T>(digest: string, use: (download: Download) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Ends all connections; to be called in any case. */
  close(): Promise<void>;
}

/** Mirrors are expected to be close, so fail over fast. */
const mirrorSettings: HttpSettings = { connectTimeoutSeconds: 5, vainResumes: 1 };

/** The kinds of manifests that the agent reads; a registry may answer with another kind than is asked for, or convert it. */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** What another server may do better. */
const ofTheServer = new Set<FailureReason>([
  'UnreachableSource',
  'LocalAddress',
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

/** These failures concern one digest; keep using the mirror for others. */
const ofTheThing = new Set<FailureReason>(['ManifestUnknown', 'HTTPStatus', 'SignatureMissing', 'SignatureInvalid']);

/** Finds out where the image of a source is to be asked for: first at the mirrors of its registry, then there. */
export async function openRegistry(
  source: OciSource,
  ports: RegistryPorts,
  options: RegistryOptions,
): Promise<Registry> {
  const { signal, readSecret, throttle } = options;
  const origin = parseRepository(source.reference, source.plainHTTP);
  const registry = registryOf(source.reference);
  const mirrors = await readMirrors(ports.mirrorsFile, registry, ports.warn);
  const repositories = [...mirrors.map((mirror) => atMirror(origin, mirror, registry)), origin];

  const settingsFor = ({ mirrorOf }: Repository) => ({
    ...options.http,
    ...(mirrorOf !== undefined && mirrorSettings),
  });

  const sessions = new Map<Repository, Promise<Session>>();
  /** One connection and one login for all that is asked of a repository. */
  function sessionOf(repository: Repository): Promise<Session> {
    const known = sessions.get(repository);
    if (known) return known;
    const opened = openSession(source, repository, { ...settingsFor(repository), readSecret, signal });
    sessions.set(repository, opened);
    opened.catch(() => sessions.delete(repository));
    return opened;
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

  async function open(repository: Repository, kind: Kind, reference: string, settings: HttpSettings) {
    const session = await sessionOf(repository);
    const { dispatcher, login } = session;
    const common = { ...settingsFor(repository), signal, ...settings, dispatcher };
    try {
      return await withCredentials(session, (credentials) =>
        openHttp(urlOf(repository, kind, reference), { ...common, credentials, throttle }),
      );
    } catch (error) {
      throw told(error, repository, reference, login);
    }
  }

  type Settings = HttpSettings & { signal?: AbortSignal };

  async function getAt<T>(
    repository: Repository,
    kind: Kind,
    reference: string,
    use: (download: Download) => Promise<T>,
    settings: Settings = {},
  ): Promise<T> {
    const opened = await open(repository, kind, reference, settings);
    try {
      return await use(opened);
    } finally {
      await opened.close();
    }
  }

  const download: Registry['download'] = (digest, use, until = signal) =>
    ask((repository) => getAt(repository, 'blobs', digest, use, { signal: until }));

  function serverOf(repository: Repository): Server {
    const readManifest = (kind: Kind, reference: string, isDigest: boolean, until: AbortSignal) =>
      getAt(repository, kind, reference, ({ body }) => readWhole(body, reference, manifestLimits.bytes, isDigest), {
        accept: manifestTypes,
        signal: until,
      });
    return {
      repository,
      readManifest: (digest, until) => readManifest('manifests', digest, true, until),
      readBlob: (digest, size, until) => {
        const most = Math.min(size, configurationLimits.bytes);
        return getAt(repository, 'blobs', digest, ({ body }) => readWhole(body, digest, most), { signal: until });
      },
      readTag: (tag, until) => unlessAnswered([404], readManifest('manifests', tag, false, until)),
      readReferrers: (digest, until) =>
        unlessAnswered(withoutReferrers, readManifest('referrers', digest, false, until)),
    };
  }

  return {
    ask: (attempt) => ask((repository) => attempt(serverOf(repository))),
    readManifest: (digest) => ask((repository) => serverOf(repository).readManifest(digest, signal)),
    readBlob: (digest, size) => ask((repository) => serverOf(repository).readBlob(digest, size, signal)),
    download,
    async close() {
      for (const opened of sessions.values()) await opened.then((it) => it.close()).catch(() => undefined);
    },
  };
}

/** What servers answer that keep no lists of what refers to a manifest; the client of cosign and crane takes the same. */
const withoutReferrers = [400, 404, 405, 406];

async function unlessAnswered<T>(statuses: readonly number[], asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    const status = statusOf(error) ?? (error instanceof Error ? statusOf(error.cause) : undefined);
    if (status !== undefined && statuses.includes(status)) return undefined;
    throw error;
  }
}

/** The bytes of something small, verified when it was asked for by its digest. */
async function readWhole(
  body: AsyncIterable<Uint8Array>,
  reference: string,
  most: number,
  isDigest = true,
): Promise<Buffer> {
  try {
    const bytes = await readAll(body, most);
    if (isDigest) check(bytes, reference);
    return bytes;
  } catch (error) {
    throw error instanceof TooManyBytes ? tooLong(reference, most) : error;
  }
}

/** Why a registry does not give what a digest names, in the words of registries. */
function told(error: unknown, { host, name }: Repository, digest: string, login: Login | undefined): unknown {
  if (!(error instanceof FetchError)) return error;
  if (error.reason === 'Unauthorized') return refused(host, `for ${digest}`, login);
  if (statusOf(error) !== 404) return error;
  const message = `${host} has no ${digest} in ${name}; push the image there or correct source.oci`;
  return new FetchError('ManifestUnknown', message, { cause: error });
}

function check(bytes: Buffer, digest: string): void {
  const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (actual !== digest) throw wrongDigest(digest, actual, bytes.length);
}

/** More bytes come than the manifest says, or than any manifest has. */
export function tooLong(digest: string, size: number): FetchError {
  const message = `${digest} has more than the ${size} bytes that it may have; check the registry`;
  return new FetchError('DigestMismatch', message);
}

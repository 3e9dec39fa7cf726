/** Where the manifests and blobs of an image can be asked for. */
export interface Repository {
  /** Name and port of the server. */
  host: string;
  /** Without the host, such as `os/debian-12`. */
  name: string;
  plainHTTP: boolean;
  /** What it is a mirror of: the registry as users name it; undefined for the registry itself. */
  mirrorOf?: string;
}

/** The repository that a reference `registry/repository[:tag]` names. The tag is for people. */
export function parseRepository(reference: string, plainHTTP = false): Repository {
  const slash = reference.indexOf('/');
  const host = reference.slice(0, slash);
  const name = reference.slice(slash + 1).replace(/:[^/:]*$/, '');
  // Docker Hub has two peculiarities that everybody expects to work.
  if (host !== 'docker.io') return { host, name, plainHTTP };
  return { host: 'index.docker.io', name: name.includes('/') ? name : `library/${name}`, plainHTTP };
}

/** The registry of a reference, as people name it. */
export const registryOf = (reference: string): string => reference.slice(0, reference.indexOf('/'));

/** The same repository at a mirror. The path of the mirror's URL, as caches of many registries have one, goes before the name. */
export function atMirror({ name }: Repository, mirror: string, registry: string): Repository {
  const { protocol, host, pathname } = new URL(mirror);
  const prefix = pathname.replace(/^\/+|\/+$/g, '');
  return { host, name: prefix ? `${prefix}/${name}` : name, plainHTTP: protocol === 'http:', mirrorOf: registry };
}

export const originOf = ({ host, plainHTTP }: Repository): string => `${plainHTTP ? 'http' : 'https'}://${host}`;

/** What a repository has: manifests by digest or tag, and by digest the list of what refers to a manifest. */
export type Kind = 'blobs' | 'manifests' | 'referrers';

/** The URL of one of these. As for containerd, `ns` names the registry to a mirror of many registries. */
export function urlOf(repository: Repository, kind: Kind, reference: string): string {
  const query = repository.mirrorOf === undefined ? '' : `?ns=${encodeURIComponent(repository.mirrorOf)}`;
  return `${originOf(repository)}/v2/${repository.name}/${kind}/${reference}${query}`;
}

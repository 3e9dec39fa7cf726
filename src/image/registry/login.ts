import { z } from 'zod';
import type { OciSource } from '../../api/sources.ts';
import { readNamedSecret } from '../download/credentials.ts';
import type { ReadSecret } from '../download/credentials.ts';
import { FetchError } from '../failure.ts';
import { parseRepository } from './repository.ts';
import type { Repository } from './repository.ts';

/** Who asks a registry. Never to be logged. */
export interface Login {
  username: string;
  password: string;
  /** Exchanged for a token instead of the password, where a registry gave one. */
  identityToken?: string;
}

const entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const dockerConfig = z.object({ auths: z.record(z.string(), entry).default({}) });

/**
 * Reads the pull secret of a source and gives the login for one repository; undefined when there is none. A mirror gets only
 * what the Secret has for its own host. Throws SecretMissing, with names and keys only.
 */
export async function readLogin(
  source: OciSource,
  repository: Repository,
  readSecret: ReadSecret,
): Promise<Login | undefined> {
  if (!source.pullSecretRef) return undefined;
  const { name } = source.pullSecretRef;
  const secret = await readNamedSecret(name, readSecret);
  const { '.dockerconfigjson': config, '.dockercfg': old, username, password } = secret;
  if (config === undefined && old === undefined) {
    if (username !== undefined && password !== undefined) {
      return repository.mirrorOf === undefined ? { username, password } : undefined;
    }
    throw new FetchError(
      'SecretMissing',
      `Secret ${name} has neither the key .dockerconfigjson nor the keys username and password; add one or the others`,
    );
  }
  const entries = parseEntries(name, config ?? `{"auths":${old}}`);
  const login = findLogin(entries, repository);
  if (login || repository.mirrorOf !== undefined) return login;
  const has = Object.keys(entries).slice(0, 5).join(', ') || 'none';
  const message = `Secret ${name} has no login for ${repository.host} but for ${has}; add one or name another Secret in pullSecretRef`;
  throw new FetchError('SecretMissing', message);
}

function parseEntries(name: string, text: string): Record<string, z.output<typeof entry>> {
  try {
    return dockerConfig.parse(JSON.parse(text)).auths;
  } catch {
    // What is wrong with it could quote it.
    const message = `Secret ${name} holds no valid .dockerconfigjson; make it with kubectl create secret docker-registry`;
    throw new FetchError('SecretMissing', message);
  }
}

/** The entry with the longest name that the repository is, or lies below. */
function findLogin(entries: Record<string, z.output<typeof entry>>, repository: Repository): Login | undefined {
  const wanted = `${repository.host}/${repository.name}`;
  const fitting = Object.entries(entries)
    .map(([key, value]) => ({ key: placeOf(key), value }))
    .filter(({ key }) => wanted === key || wanted.startsWith(`${key}/`))
    .sort((a, b) => b.key.length - a.key.length);
  return fitting[0] && loginOf(fitting[0].value);
}

/** Keys are hosts, hosts with a path, or for Docker Hub a URL of the first version of the protocol. */
function placeOf(key: string): string {
  const place = key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  return place === 'docker.io' ? parseRepository('docker.io/x/x').host : place;
}

function loginOf({ auth, username = '', password = '', identitytoken }: z.output<typeof entry>): Login {
  const [, user = username, word = password] =
    /^([^:]*):([^]*)$/.exec(Buffer.from(auth ?? '', 'base64').toString()) ?? [];
  return { username: user, password: word, ...(identitytoken !== undefined && { identityToken: identitytoken }) };
}

/** The value of the header `authorization` for it. */
export const basic = ({ username, password }: Login): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

import type { HttpSource } from '../../api/sources.ts';
import { FetchError } from '../failure.ts';

/** The values of a Secret, decoded; undefined, or a FetchError, when there is none of this name. Read again on every call. */
export type ReadSecret = (name: string) => Promise<Record<string, string> | undefined>;

/** What a download needs besides its URL. Never to be logged. */
export interface Credentials {
  /** Value of the header `authorization`. */
  authorization?: string;
  /** PEM of the authorities that may sign the server's certificate, instead of the usual ones. */
  ca?: string;
}

/** Reads the Secrets that a source names. Throws SecretMissing, with names and keys only. */
export async function readCredentials(source: HttpSource, readSecret: ReadSecret): Promise<Credentials> {
  const { secretRef } = source;
  const login = secretRef && authorization(await readNamedSecret(secretRef.name, readSecret), secretRef.name);
  const ca = await readAuthority(source, readSecret);
  return { ...(login !== undefined && { authorization: login }), ...(ca !== undefined && { ca }) };
}

/** The PEM of the authorities that a source names, if it does. Throws SecretMissing. */
export async function readAuthority(
  { caRef }: Pick<HttpSource, 'caRef'>,
  readSecret: ReadSecret,
): Promise<string | undefined> {
  if (!caRef) return undefined;
  const ca = (await readNamedSecret(caRef.name, readSecret))['ca.crt'];
  if (!ca) throw new FetchError('SecretMissing', `Secret ${caRef.name} has no key ca.crt; add it`);
  return ca;
}

/** The values of a Secret that must be there. Throws SecretMissing. */
export async function readNamedSecret(name: string, readSecret: ReadSecret): Promise<Record<string, string>> {
  const secret = await readSecret(name).catch((error: unknown) => {
    if (error instanceof FetchError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new FetchError('SecretMissing', `Secret ${name} cannot be read: ${why}; check the rights of the agent`);
  });
  if (secret) return secret;
  throw new FetchError('SecretMissing', `There is no Secret ${name} in the operator's namespace; create it there`);
}

function authorization({ token, username, password }: Record<string, string>, name: string): string {
  // A line break at the end is what `echo` and editors add.
  if (token?.trim()) return `Bearer ${token.trim()}`;
  if (username !== undefined && password !== undefined) {
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  const message = `Secret ${name} has neither the key token nor the keys username and password; add one or the others`;
  throw new FetchError('SecretMissing', message);
}

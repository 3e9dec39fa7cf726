import type { Dispatcher } from 'undici';
import type { OciSource } from '../../api/sources.ts';
import { createDispatcher } from '../download/connect.ts';
import { readAuthority } from '../download/credentials.ts';
import type { Credentials, ReadSecret } from '../download/credentials.ts';
import type { HttpSettings } from '../download/http-request.ts';
import { FetchError } from '../failure.ts';
import { authorize } from './authorize.ts';
import { readLogin } from './login.ts';
import type { Login } from './login.ts';
import { originOf } from './repository.ts';
import type { Repository } from './repository.ts';

/** The connections to one repository, and the login there, while one image is fetched. */
export interface Session {
  login: Login | undefined;
  /** PEM of the authorities that may sign the certificate of the registry, instead of the usual ones. */
  ca: string | undefined;
  dispatcher: Dispatcher;
  /** What requests need. It is the same for all of them until `renew` asks for another. */
  credentials(renew?: boolean): Promise<Credentials>;
  close(): Promise<void>;
}

/** Reads the Secrets of a source and logs in. Throws a FetchError when the registry cannot be reached or refuses the login. */
export async function openSession(
  source: OciSource,
  repository: Repository,
  { readSecret, signal, ...settings }: HttpSettings & { readSecret: ReadSecret; signal: AbortSignal },
): Promise<Session> {
  const [login, ca] = await Promise.all([
    readLogin(source, repository, readSecret),
    // The authority of the source is for its registry; a mirror is trusted as any web server.
    repository.mirrorOf === undefined ? readAuthority(source, readSecret) : undefined,
  ]);
  // Who runs the agents names the mirrors.
  const { reach = { localSources: [] } } = settings;
  const mirror = repository.mirrorOf !== undefined && { reach: { ...reach, namedMayBeLocal: true } };
  const dispatcher = createDispatcher(new URL(originOf(repository)), { ...settings, ca, ...mirror });
  const logIn = async (): Promise<Credentials> => {
    const authorization = await authorize(repository, login, { dispatcher, signal });
    return authorization === undefined ? {} : { authorization };
  };
  try {
    let credentials = await logIn();
    return {
      login,
      ca,
      dispatcher,
      credentials: async (renew = false) => (renew ? (credentials = await logIn()) : credentials),
      close: () => dispatcher.destroy(),
    };
  } catch (error) {
    await dispatcher.destroy();
    throw error;
  }
}

/** Does something with a login that may have expired, and again with another when it has. */
export async function withCredentials<T>(
  session: Session,
  use: (credentials: () => Promise<Credentials>) => Promise<T>,
): Promise<T> {
  let asked = 0;
  // What is asked for again has been refused.
  const next = () => session.credentials(asked++ > 0);
  try {
    return await use(next);
  } catch (error) {
    if (!(error instanceof FetchError) || error.reason !== 'Unauthorized' || asked > 1) throw error;
    return use(next);
  }
}

import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { readAll } from '../../runtime/bytes.ts';
import { parseJson } from '../../runtime/json.ts';
import { connectionFailure } from '../download/http-failure.ts';
import { FetchError } from '../failure.ts';
import { tokenLimits } from '../untrusted.ts';
import { basic } from './login.ts';
import type { Login } from './login.ts';
import { originOf } from './repository.ts';
import type { Repository } from './repository.ts';

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });
const secondsToAnswer = 30;

/**
 * The header `authorization` with which blobs of a repository may be read, as its registry asks for: none, basic, or a token
 * from the server that it names (https://distribution.github.io/distribution/spec/auth/token/). Tokens live for minutes.
 * Throws a FetchError.
 */
export async function authorize(
  repository: Repository,
  login: Login | undefined,
  { dispatcher, signal }: { dispatcher: Dispatcher; signal: AbortSignal },
): Promise<string | undefined> {
  const milliseconds = secondsToAnswer * 1000;
  // All of it, and not only a sign of life in that time.
  const late = AbortSignal.timeout(2 * milliseconds);
  const ask: Ask = async (url, details = {}) => {
    const timeouts = { headersTimeout: milliseconds, bodyTimeout: milliseconds };
    return request(url, { dispatcher, signal: AbortSignal.any([signal, late]), ...timeouts, ...details }).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        throw connectionFailure(error, url.host);
      },
    );
  };
  const { statusCode, headers, body } = await ask(new URL(`${originOf(repository)}/v2/`));
  await body.dump({ limit: 65536 }).catch(() => undefined);
  if (statusCode !== 401) return undefined;
  const challenge = [headers['www-authenticate'] ?? ''].flat().join(', ');
  if (/\bbearer\s/i.test(challenge)) return `Bearer ${await readToken(challenge, repository, login, ask)}`;
  return login && basic(login);
}

type Details = Pick<Dispatcher.RequestOptions, 'headers'> & { method?: 'POST'; body?: string };
type Ask = (url: URL, details?: Details) => Promise<Dispatcher.ResponseData>;

async function readToken(
  challenge: string,
  repository: Repository,
  login: Login | undefined,
  ask: Ask,
): Promise<string> {
  const { url, service } = tokenServer(challenge, repository);
  const { statusCode, body } = await ask(...tokenRequest(url, service, `repository:${repository.name}:pull`, login));
  if (statusCode !== 200) await body.dump({ limit: 65536 }).catch(() => undefined);
  if (statusCode === 401 || statusCode === 403) throw refused(url.host, statusCode, login);
  const token = statusCode === 200 ? await tokenIn(body) : undefined;
  if (token) return token;
  const message = `${url.host} answered ${statusCode} and no token for ${repository.host}/${repository.name}; check the server`;
  throw new FetchError('HTTPStatus', message);
}

/** The token of an answer; undefined when it has none, or more than any such answer has. */
async function tokenIn(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  try {
    const answer = tokenAnswer.parse(parseJson(await readAll(body, tokenLimits.bytes), tokenLimits));
    return answer.token ?? answer.access_token;
  } catch {
    return undefined;
  }
}

function tokenServer(challenge: string, { host, plainHTTP }: Repository): { url: URL; service: string } {
  const bearer = challenge.slice(challenge.search(/\bbearer\s/i));
  const [realm = '', service = ''] = ['realm', 'service'].map(
    (it) => new RegExp(`\\b${it}="([^"]*)"`, 'i').exec(bearer)?.[1],
  );
  const url = URL.parse(realm);
  // A registry with TLS must not be able to have a password sent without.
  const allowed = plainHTTP ? ['https:', 'http:'] : ['https:'];
  if (url && allowed.includes(url.protocol)) return { url, service };
  throw new FetchError(
    'Unauthorized',
    `${host} names no usable server for tokens (${realm || 'none'}); check the registry`,
  );
}

function tokenRequest(url: URL, service: string, scope: string, login: Login | undefined): [URL, Details] {
  if (login?.identityToken !== undefined) {
    const grant = { grant_type: 'refresh_token', refresh_token: login.identityToken, client_id: 'monoroot-agent' };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return [url, { method: 'POST', headers, body: new URLSearchParams({ ...grant, service, scope }).toString() }];
  }
  url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  return [url, login ? { headers: { authorization: basic(login) } } : {}];
}

/** The registry does not let this login, or no one, read. */
export function refused(host: string, status: number | string, login: Login | undefined): FetchError {
  const what = login ? 'refused the login' : 'wants a login';
  return new FetchError('Unauthorized', `${host} ${what} (${status}); check source.oci.pullSecretRef and its Secret`);
}

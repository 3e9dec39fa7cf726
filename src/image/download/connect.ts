import { Agent, EnvHttpProxyAgent, buildConnector } from 'undici';
import type { Dispatcher } from 'undici';
import { lookupWithout } from '../../runtime/addresses.ts';
import { guardOf } from './reach.ts';
import type { Guard, Reach } from './reach.ts';

/** Web proxies, as the environment variables of the same names have them; '' is none. */
export interface Proxies {
  /** URL of the proxy for http. Also for https, unless `httpsProxy` says otherwise. */
  httpProxy: string;
  httpsProxy: string;
  /** Names, suffixes and addresses that are asked directly. */
  noProxy: string;
}

/** The proxies of an environment; undefined when it names none. Throws when one is no URL of a web proxy. */
export function proxiesOf(env: Record<string, string | undefined>): Proxies | undefined {
  const read = (name: string) => env[name.toLowerCase()] ?? env[name] ?? '';
  const proxies = { httpProxy: read('HTTP_PROXY'), httpsProxy: read('HTTPS_PROXY'), noProxy: read('NO_PROXY') };
  for (const proxy of [proxies.httpProxy, proxies.httpsProxy]) {
    // The URL may hold a password, so it is not told.
    if (proxy !== '' && !['http:', 'https:'].includes(URL.parse(proxy)?.protocol ?? '')) {
      throw new Error('HTTP_PROXY or HTTPS_PROXY is no http(s) URL, such as http://proxy.example.com:3128');
    }
  }
  return proxies.httpProxy === '' && proxies.httpsProxy === '' ? undefined : proxies;
}

export interface ConnectOptions {
  connectTimeoutSeconds?: number | undefined;
  /** PEM of the authorities that may sign the server's certificate, instead of the usual ones; those of a proxy stay the usual. */
  ca?: string | undefined;
  proxies?: Proxies | undefined;
  /** Which servers may be local; none when unset. */
  reach?: Reach | undefined;
}

/**
 * Connects to web servers, through the proxies where they are responsible. One request after the other. No server leads to a local
 * address, whatever the name servers say: what was checked is what is connected to. Only where a proxy is responsible is it the
 * proxy that looks names up, so there only addresses in URLs are checked.
 */
export function createDispatcher(
  named: URL,
  { connectTimeoutSeconds = 15, ca, proxies, reach = strict }: ConnectOptions,
): Dispatcher {
  const timeout = connectTimeoutSeconds * 1000;
  const tls = { timeout, ...(ca !== undefined && { ca }) };
  const guard = guardOf(named, reach);
  // A redirect within an origin uses the same connection.
  const common = { connect: guarded(guard, tls), connections: 1 };
  const dispatcher = proxies
    ? new EnvHttpProxyAgent({ ...common, ...proxies, requestTls: tls, proxyTls: { timeout } })
    : new Agent(common);
  return dispatcher.compose((dispatch) => (options, handler) => {
    if (options.origin !== undefined) guard(new URL(options.origin));
    return dispatch(options, handler);
  });
}

const strict: Reach = { localSources: [] };

/** Connects to what a guard has nothing against. */
function guarded(guard: Guard, tls: buildConnector.BuildOptions): buildConnector.connector {
  return (options, done) => {
    try {
      const connect = buildConnector({ ...tls, lookup: lookupWithout(guard({ ...options, port: options.port })) });
      connect(options, done);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), null);
    }
  };
}

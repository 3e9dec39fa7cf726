import { Agent, EnvHttpProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';

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
}

/** Connects to web servers, through the proxies where they are responsible. One request after the other. */
export function createDispatcher({ connectTimeoutSeconds = 15, ca, proxies }: ConnectOptions): Dispatcher {
  const timeout = connectTimeoutSeconds * 1000;
  const connect = { timeout, ...(ca !== undefined && { ca }) };
  // A redirect within an origin uses the same connection.
  const common = { connect, connections: 1 };
  if (!proxies) return new Agent(common);
  return new EnvHttpProxyAgent({ ...common, ...proxies, requestTls: connect, proxyTls: { timeout } });
}

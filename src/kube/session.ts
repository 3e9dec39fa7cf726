import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, ProxyAgent } from 'undici';
import type { Dispatcher, buildConnector } from 'undici';
import { monotonic } from '../runtime/time.ts';
import type { Monotonic } from '../runtime/time.ts';

/** Who this process is to the API server, and the pools of connections that belong to that identity. */
export interface Session {
  /** The origin of the API server. */
  origin: string;
  /** What its URL has before `/api`: '' for most. */
  prefix: string;
  headers: Record<string, string>;
  calls: Dispatcher;
  /** Apart from the calls, so that long watches cannot use up the connections for them. */
  streams: Dispatcher;
}

/** Gives the session to use now. */
export interface Sessions {
  current(): Promise<Session>;
  /** TCP connections: made so far, and open now. */
  readonly connections: { made: number; open: number };
  close(): Promise<void>;
}

type Tls = Omit<buildConnector.BuildOptions, 'allowH2'>;

/** Tokens and certificates rotate under a running process: they are read again when they are older than this. */
const identityMilliseconds = 10_000;
const callConnections = 16;

/** Sessions for the current context of a kubeconfig. New certificates get new pools; the old ones end with their last call. */
export function createSessions(config: KubeConfig, now: Monotonic = monotonic): Sessions {
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('The kubeconfig has no current context; set one');
  const { proxyUrl } = cluster;
  if (proxyUrl?.startsWith('socks')) throw new Error(`Proxy ${proxyUrl} is not supported; use an HTTP proxy`);
  const url = new URL(cluster.server);
  const connections = { made: 0, open: 0 };
  let known: (Session & { fingerprint: string; readAt: number }) | undefined;
  let reading: Promise<Session> | undefined;

  function pool(tls: Tls, size: number | null): Dispatcher {
    // No limits here: every call has a timer of its own, and the reflector watches over its watch.
    const settings = { connections: size, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 30_000, allowH2: false };
    const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: 30_000 };
    const agent = proxyUrl
      ? new ProxyAgent({ ...settings, uri: proxyUrl, requestTls: connect })
      : new Agent({ ...settings, connect });
    agent.on('connect', () => {
      connections.made++;
      connections.open++;
    });
    agent.on('disconnect', () => connections.open--);
    return agent;
  }

  async function read(): Promise<Session> {
    const request: RequestOptions = {};
    await config.applyToHTTPSOptions(request);
    const tls = tlsOf(request);
    const fingerprint = fingerprintOf(tls);
    const pools =
      known?.fingerprint === fingerprint
        ? { calls: known.calls, streams: known.streams }
        : { calls: pool(tls, callConnections), streams: pool(tls, null) };
    if (known && known.calls !== pools.calls) void Promise.allSettled([known.calls.close(), known.streams.close()]);
    const headers = headersOf(request);
    known = {
      origin: url.origin,
      prefix: url.pathname.replace(/\/$/, ''),
      headers,
      ...pools,
      fingerprint,
      readAt: now(),
    };
    return known;
  }

  return {
    connections,
    async current() {
      if (known && now() - known.readAt < identityMilliseconds) return known;
      reading ??= read().finally(() => (reading = undefined));
      return reading;
    },
    async close() {
      await Promise.all([known?.calls.destroy(), known?.streams.destroy()]);
    },
  };
}

/** The part of the options that shapes a TLS connection. */
function tlsOf(request: RequestOptions): Tls {
  const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = request;
  const all = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function headersOf(request: RequestOptions): Record<string, string> {
  const basic = request.auth ? { authorization: `Basic ${Buffer.from(request.auth).toString('base64')}` } : {};
  const given = Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
  return { ...basic, ...(Object.fromEntries(given) as Record<string, string>) };
}

function fingerprintOf(tls: Tls): string {
  return createHash('sha256').update(JSON.stringify(tls)).digest('hex');
}

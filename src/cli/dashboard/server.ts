import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { formatTime } from '../../runtime/time.ts';
import { keyFor, noKey, refusalOf } from './access.ts';
import type { Access } from './access.ts';
import type { Assets } from '../host.ts';
import { detailsOf } from './details.ts';
import { createFeed } from './feed.ts';
import type { Feed } from './feed.ts';
import type { Live } from './live.ts';
import { modelOf } from './models/model.ts';
import { isOwnUser } from './peer.ts';
import { keyPath, viewAt } from './routes.ts';
import type { View } from './routes.ts';
import { stream } from './stream.ts';
import type { About } from './views.ts';

export interface DashboardOptions {
  /** 0 takes a free port. */
  port: number;
  host: string;
  access: Access;
  assets: Assets;
  live: Live;
  now: () => Date;
  logger: Logger;
  /** What the page says about itself. */
  about: Pick<About, 'cluster' | 'version'> & { namespace?: string | undefined };
}

export interface Dashboard {
  port: number;
  close: () => Promise<void>;
}

/** As many pages may be open. */
const mostStreams = 64;
/** As many connections; more are closed at once, so that who opens thousands takes no more of the memory. */
const mostConnections = 512;
/** A connection that asks nothing is closed. */
const timeouts = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };

/** Whatever a text may hold, the page loads and runs only what is its own, and tells no one where it was. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
};

/** Serves the page and its streams, to GET alone. Rejects when the port is taken. */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { assets, live, logger, now } = options;
  let { access } = options;
  const stop = new AbortController();
  let streams = 0;

  const about = (): About => ({
    health: live.health(),
    cluster: options.about.cluster,
    version: options.about.version,
    ...(options.about.namespace !== undefined && { namespace: options.about.namespace }),
    time: formatTime(now()),
  });

  /** The feeds of the views that somebody looks at. */
  const feeds = new Map<string, { feed: Feed; viewers: number; end: () => Promise<void> }>();

  function openFeed(view: View) {
    const ended = new AbortController();
    const signal = AbortSignal.any([stop.signal, ended.signal]);
    let told: () => void = () => undefined;
    const details = detailsOf(view, live, () => told());
    const make = () => ({ about: about(), ...modelOf(view, live.scene(), now()), ...details.model() });
    const subscribe = (changed: () => void) => {
      told = changed;
      return live.subscribe(changed);
    };
    const running = details.run(signal);
    const end = () => {
      ended.abort();
      return running;
    };
    return { feed: createFeed({ make, subscribe }, signal), viewers: 0, end };
  }

  async function answerStream(request: IncomingMessage, response: ServerResponse, view: View): Promise<void> {
    if (streams >= mostStreams) {
      say(response, 503, `${mostStreams} pages are open already; close one`, { 'retry-after': '30' });
      return;
    }
    const key = JSON.stringify(view);
    const looked = feeds.get(key) ?? openFeed(view);
    feeds.set(key, looked);
    looked.viewers += 1;
    streams += 1;
    try {
      const compress = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
      await stream({ response, compress, feed: looked.feed }, stop.signal);
    } finally {
      streams -= 1;
      looked.viewers -= 1;
      if (looked.viewers === 0) {
        feeds.delete(key);
        await looked.end();
      }
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const { method = '', url = '/' } = request;
    const { host, authorization } = request.headers;
    const site = request.headers['sec-fetch-site']?.toString();
    const asked = { method, url, host, authorization, site };
    const refusal = refusalOf(asked, access);
    if (refusal) {
      say(response, refusal.status, refusal.message, refusal.headers);
      return;
    }
    const [path = '/', query = ''] = url.split('?', 2);
    if (path === keyPath) {
      answerKey(response, isOwnUser(request.socket) ? keyFor(asked, access) : undefined);
      return;
    }
    if (path.startsWith('/api/stream/') || path === '/api/stream') {
      const view = viewAt(path.slice('/api/stream'.length) || '/', new URLSearchParams(query));
      if (view) await answerStream(request, response, view);
      else say(response, 404, 'There is no such view');
      return;
    }
    answerFile(response, viewAt(path, new URLSearchParams(query)) ? '/index.html' : path);
  }

  function answerKey(response: ServerResponse, key: string | undefined): void {
    if (key === undefined) say(response, noKey.status, noKey.message);
    else response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(key);
    if (key !== undefined) access = { ...access, ticket: undefined };
  }

  function answerFile(response: ServerResponse, path: string): void {
    const asset = Object.hasOwn(assets, path) ? assets[path] : undefined;
    if (!asset) say(response, 404, 'There is no such page');
    else response.writeHead(200, { 'content-type': asset.type }).end(asset.text);
  }

  const server = createServer(timeouts, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      logger.error({ err: error }, 'Could not answer a request of the page');
      if (response.headersSent) response.destroy();
      else say(response, 500, 'This failed; the log of the server says why');
    });
  });
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        stop.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function say(response: ServerResponse, status: number, message: string, more: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...more }).end(`${message}\n`);
}

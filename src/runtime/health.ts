import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** Something that can be wrong with the process. */
export interface Check {
  name: string;
  /** What is wrong; undefined when nothing is. */
  check: () => string | undefined;
}

export interface HealthOptions {
  /** 0 takes a free port. */
  port: number;
  host?: string;
  /** Failing makes the kubelet restart the container. */
  livez: readonly Check[];
  /** Failing takes the Pod out of its Services. */
  readyz: readonly Check[];
  registry: Registry;
}

export interface HealthServer {
  port: number;
  /** Answers what is being asked and then ends. */
  close(): Promise<void>;
}

/** Serves /livez, /readyz (200 or 500, with a line for each check) and /metrics. Rejects when the port is taken. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const { registry } = options;
  const pages: Record<string, () => Promise<Page>> = {
    '/livez': () => Promise.resolve(report(options.livez)),
    '/readyz': () => Promise.resolve(report(options.readyz)),
    '/metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = pages[request.url?.split('?', 1)[0] ?? ''];
    const { status, type, body } = page ? await page() : { status: 404, type: 'text/plain', body: 'Not found\n' };
    response.writeHead(status, { 'content-type': type }).end(body);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

interface Page {
  status: number;
  type: string;
  body: string;
}

function report(checks: readonly Check[]): Page {
  const results = checks.map(({ name, check }) => ({ name, problem: check() }));
  const lines = results.map(({ name, problem }) => (problem === undefined ? `[+]${name} ok` : `[-]${name} ${problem}`));
  const healthy = results.every(({ problem }) => problem === undefined);
  return {
    status: healthy ? 200 : 500,
    type: 'text/plain',
    body: [...lines, healthy ? 'ok' : 'failed', ''].join('\n'),
  };
}

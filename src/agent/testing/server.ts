import { createServer as createHttpServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Reach } from '../../image/download/reach.ts';

/** Serves on a free port of this machine until the test ends, with TLS when there is a certificate; gives the origin. */
export async function serve(listener: RequestListener, tls?: { cert: string; key: string }): Promise<string> {
  const server: Server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves one file under any path. */
export const serveBytes = (bytes: Buffer) => serve((_request, response) => response.end(bytes));

/** For agents whose sources are all on this machine. */
export const onThisMachine: Reach = { localSources: ['127.0.0.1', 'localhost'] };

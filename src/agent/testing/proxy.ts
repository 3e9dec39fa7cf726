import { createServer, request as forward } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TestProxy {
  /** To be given to clients. */
  url: string;
  /** What it was asked for: `GET http://…` or `CONNECT host:port`. */
  asked: string[];
  /** Ends all tunnels. */
  cut: () => void;
}

/** A web proxy that forwards http and tunnels https, until the test ends; with `login` (`user:password`) only for those who know it. */
export async function startProxy({ login }: { login?: string } = {}): Promise<TestProxy> {
  const asked: string[] = [];
  const tunnels = new Set<Socket>();
  const expected = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    const { 'proxy-authorization': authorization, ...headers } = request.headers;
    if (authorization !== expected) {
      response.writeHead(407).end();
      return;
    }
    const onward = forward(request.url ?? '', { headers, method: request.method ?? 'GET' }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    onward.end();
  });
  server.on('connect', (request, client: Socket) => {
    asked.push(`CONNECT ${request.url ?? ''}`);
    if (request.headers['proxy-authorization'] !== expected) {
      client.end('HTTP/1.1 407 Login\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(`http://${request.url ?? ''}`);
    const onward = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(onward).pipe(client);
    });
    for (const [one, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      // prettier-ignore
      tunnels.add(one);
      one.on('error', () => undefined).on('close', () => other.destroy());
    }
  });
  const cut = () => {
    for (const socket of tunnels) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    cut();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${login === undefined ? '' : `${login}@`}127.0.0.1:${port}`, asked, cut };
}

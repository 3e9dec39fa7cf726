import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveHealth } from './health.ts';
import type { HealthServer } from './health.ts';
import { createMetrics } from './metrics.ts';

let problem: string | undefined;
const metrics = createMetrics();
let server: HealthServer;
beforeAll(async () => {
  server = await serveHealth({
    port: 0,
    host: '127.0.0.1',
    livez: [{ name: 'ping', check: () => undefined }],
    readyz: [
      { name: 'ping', check: () => undefined },
      { name: 'caches', check: () => problem },
    ],
    registry: metrics.registry,
  });
});
afterAll(() => server.close());

const get = async (path: string) => {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
  return { status: answer.status, body: await answer.text() };
};

test('says of each check whether it passed', async () => {
  expect(await get('/readyz?verbose')).toEqual({ status: 200, body: '[+]ping ok\n[+]caches ok\nok\n' });
  problem = 'pods are not read yet';
  expect(await get('/readyz')).toEqual({
    status: 500,
    body: '[+]ping ok\n[-]caches pods are not read yet\nfailed\n',
  });
  expect((await get('/livez')).status).toBe(200);
});

test('serves metrics of the process and of what runs in it', async () => {
  metrics.controller('test').reconciled('success', 0.1);
  const { status, body } = await get('/metrics');
  expect(status).toBe(200);
  expect(body).toContain('controller_runtime_reconcile_total{controller="test",result="success"} 1');
  expect(body).toContain('nodejs_eventloop_lag_seconds');
});

test('knows no other pages', async () => {
  expect((await get('/')).status).toBe(404);
});

test('refuses a port that is taken', async () => {
  const again = serveHealth({
    port: server.port,
    host: '127.0.0.1',
    livez: [],
    readyz: [],
    registry: metrics.registry,
  });
  await expect(again).rejects.toThrow('EADDRINUSE');
});

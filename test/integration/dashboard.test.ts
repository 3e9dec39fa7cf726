import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createConnection } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { pageAssets } from '../../hack/lib/page.ts';
import { loopbackHosts } from '../../src/cli/dashboard/access.ts';
import type { Delta } from '../../src/cli/dashboard/delta.ts';
import { followFleet } from '../../src/cli/dashboard/live.ts';
import { serveDashboard } from '../../src/cli/dashboard/server.ts';
import type { Dashboard } from '../../src/cli/dashboard/server.ts';
import type { Events } from '../../src/cli/dashboard/views.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { events } from '../../src/kube/resources.ts';
import { container } from '../fixtures/builders.ts';
import { hostileLog } from '../fixtures/fleet.ts';
import { connect, createNamespace, logger } from './environment.ts';
import { eventually } from './eventually.ts';

// The server of the page with a real API server, asked as a browser and as a stranger would.
const { connection, client } = connect(inject('kubeconfig'));
const stop = new AbortController();
const key = randomBytes(12).toString('hex');
const ticket = randomBytes(12).toString('hex');
let served: Dashboard;
let running: Promise<void>;
let namespace: string;

beforeAll(async () => {
  namespace = await createNamespace(client);
  const now = () => new Date();
  const live = followFleet({ client, namespace, logger, now });
  running = live.run(stop.signal);
  const access = { hosts: loopbackHosts, key, ticket };
  const about = { cluster: 'test', version: '0.0.0', namespace };
  served = await serveDashboard({
    port: 0,
    host: '127.0.0.1',
    access,
    assets: await pageAssets(),
    live,
    now,
    logger,
    about,
  });
});
afterAll(async () => {
  stop.abort();
  await served.close();
  await running;
  await connection.close();
});

const own = () => ({ authorization: `Bearer ${key}` });

/** An answer with its head; the body is still to be read. */
const ask = (path: string, headers: Record<string, string> = own(), method = 'GET') =>
  new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port: served.port, path, method, headers }, resolve).on('error', reject).end();
  });
const bodyOf = async (answer: IncomingMessage) => (await answer.setEncoding('utf8').toArray()).join('');

test('the page and its files load nothing from elsewhere and run nothing of others', async () => {
  for (const path of ['/', '/rollouts/debian-12', '/containers/a/b', '/main.js', '/page.css', '/icon.svg']) {
    const answer = await ask(path);
    expect(answer.statusCode).toBe(200);
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    const text = await bodyOf(answer);
    if (path === '/') expect(text).not.toMatch(/<script>|<style|style=|onload=|https?:/);
    expect(text).not.toContain('dangerouslySetInnerHTML=');
  }
});

test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])('%s is not answered', async (method) => {
  const answer = await ask('/', own(), method);
  expect(answer.statusCode).toBe(405);
  expect(answer.headers.allow).toBe('GET');
  answer.resume();
});

test('strangers get nothing: no key, a wrong one, another name of the host, another site', async () => {
  const statusOf = async (path: string, headers: Record<string, string>) => {
    const answer = await ask(path, headers);
    answer.resume();
    return answer.statusCode;
  };
  expect(await statusOf('/', {})).toBe(200);
  expect(await statusOf('/api/stream', {})).toBe(401);
  expect(await statusOf('/api/stream', { authorization: 'Bearer x' })).toBe(401);
  expect(await statusOf('/api/stream', { cookie: `key=${key}` })).toBe(401);
  expect(await statusOf('/', { ...own(), host: 'rebound.example' })).toBe(421);
  for (const site of ['cross-site', 'same-site'])
    expect(await statusOf('/api/stream', { ...own(), 'sec-fetch-site': site })).toBe(403);
  expect(await statusOf('/../package.json', own())).toBe(404);
  expect(await statusOf('/api/stream/nothing', own())).toBe(404);
});

test('the ticket of the browser is worth the key once, and not to another user of this machine', async () => {
  const request = `GET /api/key HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\nAuthorization: Bearer ${ticket}\\r\\n\\r\\n`;
  const program = `use IO::Socket::INET; my $s = IO::Socket::INET->new("127.0.0.1:${served.port}") or die; print $s "${request}"; print <$s>;`;
  const askAs = async (uid: number) =>
    (await promisify(execFile)('perl', ['-e', program], { uid, gid: uid, cwd: '/' })).stdout;
  expect(process.getuid?.()).toBe(0);
  expect(await askAs(65534)).toContain('401 Unauthorized');
  const answer = await askAs(0);
  expect(answer).toContain('200 OK');
  expect(answer.endsWith(key)).toBe(true);
  expect(await askAs(0)).toContain('401 Unauthorized');
});

test('a stream tells of a container that is made, changed and deleted, and of no value of a variable', async () => {
  const answer = await ask('/api/stream', own());
  expect(answer.headers['content-type']).toBe('text/event-stream');
  const row = `c/${namespace}/live`;
  const spec = container({ image: 'debian-12:v1', env: [{ name: 'PASSWORD', value: 'canary-of-the-page' }] }).spec;
  await client.create(hostedContainers, { metadata: { name: 'live', namespace }, spec });
  const steps: string[] = [];
  let all = '';
  for await (const line of linesOf(answer)) {
    all += line;
    if (!line.startsWith('data: ')) continue;
    const { set, gone } = JSON.parse(line.slice('data: '.length)) as Delta;
    const shown = set[row] as { image?: string } | undefined;
    if (shown) steps.push(shown.image ?? 'made');
    if (shown && shown.image === undefined)
      await client.applyStatus(
        hostedContainers,
        { metadata: { name: 'live', namespace }, status: { image: 'debian-12:v1' } },
        { fieldManager: 'test' },
      );
    if (shown?.image !== undefined) await client.delete(hostedContainers, { name: 'live', namespace });
    if (gone.includes(row)) break;
  }
  expect(steps).toEqual(['made', 'debian-12:v1']);
  expect(all).not.toContain('canary-of-the-page');
});

test('the page of one container has its events, whatever is written in them, and says so when there is none of that name', async () => {
  await client.create(events, {
    metadata: { name: 'none.1', namespace },
    eventTime: '2026-03-01T12:00:00.000000Z',
    reportingController: 'test',
    reportingInstance: 'test',
    action: 'Test',
    type: 'Normal',
    reason: 'Turned\u202earound',
    note: hostileLog,
    regarding: { kind: 'HostedContainer', name: 'none', namespace },
  });
  const answer = await ask(`/api/stream/containers/${namespace}/none`, own());
  for await (const line of linesOf(answer)) {
    if (!line.startsWith('data: ')) continue;
    expect(line).not.toMatch(/\p{Cf}|\\u00/u);
    const { set } = JSON.parse(line.slice('data: '.length)) as Delta;
    expect(set['object']).toBeUndefined();
    if ((set['events'] as Events | undefined)?.rows.some(({ reason }) => reason.startsWith('Turned'))) break;
  }
});

test('as many pages are open as may be, one more is refused until one is closed, and all learn of a change', async () => {
  // Streams of tests before may not be over yet.
  const open = await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, () => ask('/api/stream', own())));
    if (answers.every(({ statusCode }) => statusCode === 200)) return answers;
    for (const answer of answers) answer.destroy();
    throw new Error('Some are refused');
  });
  const tooMany = await ask('/api/stream', own());
  expect(tooMany.statusCode).toBe(503);
  tooMany.resume();
  const spec = container({ image: 'debian-12:v1' }).spec;
  await client.create(hostedContainers, { metadata: { name: 'seen-by-all', namespace }, spec });
  await Promise.all(
    open.slice(1).map(async (answer) => {
      for await (const line of linesOf(answer)) if (line.includes('seen-by-all')) break;
    }),
  );
  open[0]?.destroy();
  await eventually(async () => {
    const answer = await ask('/api/stream', own());
    answer.destroy();
    expect(answer.statusCode).toBe(200);
  });
});

test('who opens a thousand connections gets some of them, and others are answered again', async () => {
  const sockets = Array.from({ length: 1000 }, () => createConnection(served.port, '127.0.0.1'));
  let closed = 0;
  for (const socket of sockets)
    socket
      .on('error', () => undefined)
      .resume()
      .once('close', () => (closed += 1));
  // Those that may stay ask nothing, and are closed too.
  await eventually(() => expect(closed).toBe(1000), 50);
  const answer = await ask('/');
  expect(answer.statusCode).toBe(200);
  answer.resume();
});

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { rootEntries, sha256, tar } from '../fixtures/agent/archive.ts';
import { whyNoUnpacking } from '../fixtures/agent/environment.ts';
import { serve } from '../fixtures/agent/server.ts';
import { sourcesNamespace } from '../../src/api/names.ts';
import type { NodeStoreStatus, DesiredImage } from '../../src/api/nodestore.ts';
import { isAlreadyExists } from '../../src/kube/client.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { namespaces, pods } from '../../src/kube/resources.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually, waitSeconds } from './eventually.ts';

/** The agent as its own process on a real, small disk: a tmpfs of 64 MiB. */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
const unable = whyNoUnpacking();
const mebibyte = 1024 * 1024;

beforeAll(async () => {
  await client.create(namespaces, { metadata: { name: sourcesNamespace } }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
});
afterAll(() => connection.close());

let nodes = 0;

function createNode() {
  const name = `room-test-${process.pid}-${++nodes}`;
  const root = mkdtempSync(join(tmpdir(), 'monoroot-room-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', root]);
  let agent: ChildProcess | undefined;
  onTestFinished(async () => {
    agent?.kill('SIGKILL');
    if (agent?.exitCode === null && agent.signalCode === null)
      await new Promise((resolve) => agent?.once('exit', resolve));
    execFileSync('umount', ['--lazy', root]);
    rmSync(root, { recursive: true, force: true });
  });
  const read = async (): Promise<NodeStoreStatus> => (await client.get(nodeStores, { name }))?.status ?? {};
  return {
    name,
    root,
    read,
    versions: () => readdirSync(join(root, 'store/os')).sort(),
    start(env: Record<string, string>): ChildProcess {
      const main = join(import.meta.dirname, '../../src/cmd/agent.ts');
      const common = {
        PATH: process.env['PATH'],
        KUBECONFIG: kubeconfig,
        NODE_NAME: name,
        MONOROOT_ROOT: root,
        LOCAL_SOURCES: '127.0.0.1',
      };
      const level = process.env['LOG_LEVEL'] ?? 'fatal';
      agent = spawn(process.execPath, [main], { env: { ...common, HEALTH_PORT: '0', LOG_LEVEL: level, ...env } });
      return agent;
    },
    want: (...images: DesiredImage[]) =>
      client.apply(nodeStores, { metadata: { name }, spec: { images } }, { fieldManager: 'test' }),
    /** Waits until the status tells of the images, `<version> <state> <reason>`. */
    told: (expected: string[], seconds = waitSeconds) =>
      eventually(async () => {
        const { images = [] } = await read();
        expect(images.map((it) => `${it.version} ${it.state} ${it.reason ?? ''}`.trim())).toEqual(expected);
        return images;
      }, seconds),
  };
}

/** An image of so many MiB that do not pack, on a web server. */
async function imageOf(version: string, size: number): Promise<DesiredImage> {
  const archive = tar([...rootEntries(), { name: 'usr/lib/data', content: randomBytes(size * mebibyte) }]);
  const sha = sha256(archive);
  const url = `${await serve((_request, response) => response.writeHead(200, { 'content-length': archive.length }).end(archive))}/${version}`;
  return {
    os: 'os',
    version,
    digest: `sha256:${sha}`,
    source: { http: { url, sha256: sha } },
    timeoutSeconds: 60,
    backoffLimit: 3,
  };
}
const retained = (image: DesiredImage): DesiredImage => ({ ...image, retained: true });
const settings = { MIN_FREE: '16Mi', MAX_CONCURRENT_FETCHES: '1' };

describe.skipIf(unable)(unable ? `room (skipped: ${unable})` : 'room', () => {
  test('retained images make it, the oldest that no Pod uses first, and no more of them than needed', async () => {
    const node = createNode();
    const images = [await imageOf('v1', 12), await imageOf('v2', 12), await imageOf('v3', 12)] as const;
    const [v1, v2, v3] = images;
    node.start(settings);
    for (const image of images) {
      // One after the other, so that it is known which is the oldest.
      const { images: stored = [] } = await node.read();
      await node.want(...images.slice(0, images.indexOf(image) + 1));
      await node.told([...stored.map((it) => `${it.version} Ready`), `${image.version} Ready`]);
    }
    const namespace = await createNamespace(client);
    const hostPath = { path: join(node.root, 'store/os/v1/root/usr'), type: 'Directory' };
    await client.create(pods, {
      metadata: { namespace, name: 'user' },
      spec: {
        nodeName: node.name,
        containers: [
          { name: 'main', image: 'none', volumeMounts: [{ name: 'usr', mountPath: '/usr', readOnly: true }] },
        ],
        volumes: [{ name: 'usr', hostPath }],
      },
    });

    const v4 = await imageOf('v4', 16);
    await node.want(...[v1, v2, v3].map(retained), v4);
    // 64 MiB, of which 36 are used and 16 must stay: v2 has to go, v1 is in use, v3 may stay.
    const waiting = await node.told([
      'v1 Ready Retained',
      'v2 Deleting Evicted',
      'v3 Ready Retained',
      'v4 Pending NoSpace',
    ]);
    expect(waiting[3]?.message).toMatch(
      /^The archive alone has 16 MiB; 2\d MiB are free, of which 16 MiB must stay free/,
    );
    await node.told(['v1 Ready Retained', 'v3 Ready Retained', 'v4 Ready']);
    expect(node.versions()).toEqual(['v1', 'v3', 'v4']);
    expect((await node.read()).store?.capacityBytes).toBe(64 * mebibyte);
    await client.delete(pods, { namespace, name: 'user' }, { gracePeriodSeconds: 0 });
  });

  test('is promised to those that fetch at the same time, with the size that another node reported', async () => {
    const waiting: ServerResponse[] = [];
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).flushHeaders();
      waiting.push(response);
    });
    const node = createNode();
    node.start({ ...settings, MAX_CONCURRENT_FETCHES: '2' });
    const image = (version: string, unpackedBytes: number): DesiredImage => {
      const source = { http: { url: `${origin}/${version}`, sha256: 'a'.repeat(64) } };
      return {
        os: 'os',
        version,
        digest: `sha256:${'a'.repeat(64)}`,
        source,
        timeoutSeconds: 60,
        backoffLimit: 3,
        unpackedBytes,
      };
    };
    await node.want(image('v1', 30 * mebibyte));
    await node.told(['v1 Fetching']);
    await eventually(() => expect(readdirSync(join(node.root, 'staging'))).toHaveLength(1));
    await node.want(image('v1', 30 * mebibyte), image('v2', 30 * mebibyte), image('v3', 10 * mebibyte));
    const images = await node.told(['v1 Fetching', 'v2 Pending NoSpace', 'v3 Fetching']);
    expect(images[1]?.message).toContain('of which 30 MiB are promised to other images and 16 MiB must stay free');
  });

  test('a file system that is mounted over the store ends the agent, and the next one works there', async () => {
    const node = createNode();
    const image = await imageOf('v1', 1);
    const agent = node.start({ ...settings, LOG_LEVEL: 'error' });
    let log = '';
    agent.stdout?.on('data', (data: Buffer) => (log += data.toString()));
    const ended = new Promise((resolve) => agent.once('close', resolve));
    await node.want();
    await eventually(() => expect(readdirSync(node.root)).toContain('store'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', node.root]);
    onTestFinished(() => void spawnSync('umount', ['--lazy', node.root]));
    await node.want(image);
    expect(await ended).toBe(1);
    expect(log).toContain(`Another file system was mounted at ${node.root}`);
    expect(readdirSync(node.root)).toEqual([]);
    node.start(settings);
    await node.told(['v1 Ready']);
  });

  test('something mounted inside the store keeps the agent from starting, and it says what', async () => {
    const node = createNode();
    const inside = join(node.root, 'store');
    mkdirSync(inside);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', inside]);
    onTestFinished(() => void spawnSync('umount', ['--lazy', inside]));
    const agent = node.start({ ...settings, LOG_LEVEL: 'error' });
    let log = '';
    agent.stdout?.on('data', (data: Buffer) => (log += data.toString()));
    expect(await new Promise((resolve) => agent.once('close', resolve))).toBe(1);
    expect(log).toContain(`Something is mounted at ${inside}`);
  });

  test('settings that make no sense keep the agent from starting, and it says why', async () => {
    const node = createNode();
    const agent = node.start({ MIN_FREE: 'much' });
    let log = '';
    agent.stdout?.on('data', (data: Buffer) => (log += data.toString()));
    expect(await new Promise((resolve) => agent.once('close', resolve))).toBe(1);
    expect(log).toContain("MIN_FREE is 'much': it must be a quantity of at least 16Mi such as 10Gi, or 1% to 90%");
  });
});

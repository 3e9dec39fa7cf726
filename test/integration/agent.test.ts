import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { compress, rootEntries, sha256, tar } from '../fixtures/agent/archive.ts';
import { whyNoUnpacking } from '../fixtures/agent/environment.ts';
import { serve } from '../fixtures/agent/server.ts';
import { sourcesNamespace } from '../../src/api/names.ts';
import type { NodeStore, StoredImage, DesiredImage } from '../../src/api/nodestore.ts';
import { isAlreadyExists } from '../../src/kube/client.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { namespaces, pods, secrets } from '../../src/kube/resources.ts';
import type { Secret } from '../../src/kube/types.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually, waitSeconds } from './eventually.ts';

/** The agent as its own process, a real API server, a real web server and a real disk; only the node is a name. */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
const unable = whyNoUnpacking();

beforeAll(async () => {
  await client.create(namespaces, { metadata: { name: sourcesNamespace } }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
});
afterAll(() => connection.close());

const archive = compress(
  'zstd',
  tar([
    ...rootEntries(),
    ...Array.from({ length: 30 }, (_, i) => ({ name: `usr/lib/${i}`, content: Buffer.alloc(100_000, i) })),
  ]),
);

interface Node {
  name: string;
  root: string;
  /** Files below the directory of the agent. */
  files: (path: string) => string[];
  /** Decides which signatures are needed; no file at first. */
  policyFile: string;
  start: () => ChildProcess;
  want: (...images: DesiredImage[]) => Promise<void>;
  /** Waits until the status tells this of the only image. */
  told: (expected: Partial<StoredImage>, seconds?: number) => Promise<StoredImage>;
  read: () => Promise<NodeStore>;
}

let nodes = 0;

function createNode(): Node {
  const name = `agent-test-${process.pid}-${++nodes}`;
  const root = mkdtempSync(join(tmpdir(), 'monoroot-agent-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const policies = mkdtempSync(join(tmpdir(), 'monoroot-policy-'));
  onTestFinished(() => rmSync(policies, { recursive: true, force: true }));
  const policyFile = join(policies, 'policy.yaml');
  const read = async () => {
    const found = await client.get(nodeStores, { name });
    if (!found) throw new Error(`There is no NodeStore ${name}`);
    return found;
  };
  return {
    name,
    root,
    policyFile,
    read,
    files: (path) => readdirSync(join(root, path)),
    start() {
      const main = join(import.meta.dirname, '../../src/cmd/agent.ts');
      const env = {
        PATH: process.env['PATH'],
        KUBECONFIG: kubeconfig,
        NODE_NAME: name,
        MONOROOT_ROOT: root,
        SIGNATURE_POLICY_FILE: policyFile,
        HEALTH_PORT: '0',
        LOCAL_SOURCES: '127.0.0.1',
        LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
      };
      const agent = spawn(process.execPath, [main], { env, stdio: 'inherit' });
      onTestFinished(() => void agent.kill('SIGKILL'));
      return agent;
    },
    async want(...images) {
      await client.apply(nodeStores, { metadata: { name }, spec: { images } }, { fieldManager: 'test' });
    },
    told: (expected, seconds = waitSeconds) =>
      eventually(async () => {
        const { images = [] } = (await read()).status ?? {};
        expect(images).toMatchObject([expected]);
        return images[0] as StoredImage;
      }, seconds),
  };
}

function desired(url: string, changes: Partial<DesiredImage> = {}): DesiredImage {
  const sha = sha256(archive);
  const source = { http: { url: `${url}/image.tar.zst`, sha256: sha } };
  return {
    os: 'debian-12',
    version: 'v1',
    digest: `sha256:${sha}`,
    source,
    timeoutSeconds: 60,
    backoffLimit: 0,
    ...changes,
  };
}

const exited = (agent: ChildProcess) =>
  new Promise((resolve) => agent.once('exit', (code, signal) => resolve(code ?? signal)));

describe.skipIf(unable)(unable ? `the agent (skipped: ${unable})` : 'the agent', () => {
  test('stores what is wanted, tells of it, and stops when it is asked to', async () => {
    const origin = await serve((_request, response) => response.end(archive));
    const node = createNode();
    const agent = node.start();
    await node.want(desired(origin));
    const image = await node.told({ state: 'Ready' });
    expect(image).toMatchObject({ layout: { kind: 'merged' }, hasMountScript: false, digest: desired(origin).digest });
    // The digests of contents are added to the manifest after it was published.
    const files = ['attributes', 'image.json', 'manifest', 'root'];
    await expect.poll(() => node.files('store/debian-12/v1'), { timeout: waitSeconds * 1000 }).toEqual(files);
    const stored = await eventually(async () => {
      const store = await node.read();
      expect(store.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'True',
        reason: 'AllStored',
      });
      // Counted by du, with the manifest and the directories above the tree.
      expect(store.status?.store?.usedBytes).toBeGreaterThan(image.unpackedBytes ?? Infinity);
      return store;
    });
    expectValidStatus(stored);
    const end = exited(agent);
    agent.kill('SIGTERM');
    expect(await end).toBe(0);
  });

  test('tells what is wrong, and goes on when it is fixed', async () => {
    const origin = await serve((request, response) => {
      if (request.headers.authorization === 'Bearer geheim') response.end(archive);
      else response.writeHead(401).end();
    });
    const node = createNode();
    node.start();
    await node.want(desired(origin));
    const refused = await node.told({ state: 'Failed', reason: 'Unauthorized', attempts: 1 });
    expect(refused.retryTime).toBeDefined();
    expect((await node.read()).status?.conditions?.find(({ type }) => type === 'Stalled')).toMatchObject({
      status: 'True',
    });

    const name = `${node.name}-login`;
    const login = {
      metadata: { namespace: sourcesNamespace, name },
      stringData: { token: 'geheim' },
    } as unknown as Secret;
    const withLogin = desired(origin);
    Object.assign(withLogin.source.http ?? {}, { secretRef: { name } });
    await node.want(withLogin);
    expect((await node.told({ state: 'Failed', reason: 'SecretMissing' })).message).toContain(
      `There is no Secret ${name} in the namespace monoroot-sources; create it there`,
    );
    await client.create(secrets, login);
    // Any change of what is wanted is a reason to try at once.
    await node.want({ ...withLogin, timeoutSeconds: 61 });
    await node.told({ state: 'Ready' });
    expect(JSON.stringify(await node.read())).not.toContain('geheim');
  });

  test('fetches nothing that the policy of signatures does not let through', async () => {
    const asked: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
      asked.push(request.url);
      response.end(archive);
    });
    const node = createNode();
    writeFileSync(node.policyFile, 'repositories: nonsense');
    node.start();
    await node.want(desired(origin));
    const refused = await node.told({ state: 'Failed', reason: 'SignaturePolicyInvalid', attempts: 1 });
    expect(refused.message).toContain('ConfigMap monoroot-signatures');
    expect(asked).toEqual([]);

    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const everything = { prefix: '*', keys: [publicKey.export({ type: 'spki', format: 'pem' })] };
    writeFileSync(node.policyFile, JSON.stringify({ repositories: [everything] }));
    await node.want(desired(origin, { timeoutSeconds: 61 }));
    await node.told({ state: 'Failed', reason: 'SignatureMissing' });
    expect(asked).toEqual([]);

    writeFileSync(node.policyFile, JSON.stringify({ repositories: [everything, { prefix: origin, unsigned: true }] }));
    await node.want(desired(origin, { timeoutSeconds: 62 }));
    await node.told({ state: 'Ready' });
    // What is stored stays when the policy changes.
    writeFileSync(node.policyFile, 'repositories: nonsense');
    await node.want(desired(origin, { timeoutSeconds: 63 }), desired(origin, { version: 'v2' }));
    await eventually(async () => {
      const images = (await node.read()).status?.images;
      expect(images).toMatchObject([{ state: 'Ready' }, { state: 'Failed', reason: 'SignaturePolicyInvalid' }]);
    });
    expect(asked).toHaveLength(1);
  });

  test('that is killed in the middle of a download begins again', async () => {
    const waiting: ServerResponse[] = [];
    let stall = true;
    const origin = await serve((_request, response) => {
      if (!stall) return void response.end(archive);
      response.writeHead(200, { 'content-length': archive.length }).write(archive.subarray(0, -100));
      waiting.push(response);
    });
    const node = createNode();
    const agent = node.start();
    await node.want(desired(origin));
    await node.told({ state: 'Fetching' });
    // A look at what is stored has a directory of its own there for a moment.
    const fetches = () => node.files('staging').filter((name) => !name.startsWith('scratch-'));
    await eventually(() => expect([fetches(), waiting]).toMatchObject([{ length: 1 }, { length: 1 }]));
    const [leftover = ''] = fetches();
    const end = exited(agent);
    agent.kill('SIGKILL');
    expect(await end).toBe('SIGKILL');
    expect([node.files('store'), fetches()]).toEqual([[], [leftover]]);

    stall = false;
    const next = node.start();
    await node.told({ state: 'Ready' });
    // What it stored is read once, which takes a while, with a directory of its own; nothing of the one that was killed is left.
    const others = () => node.files('staging').filter((name) => !name.startsWith(`scratch-${next.pid}-`));
    await eventually(() => expect(others()).toEqual([]));
    expect(waiting).toHaveLength(1);
  });

  test('deletes what is unwanted, but not from under a Pod', async () => {
    const origin = await serve((_request, response) => response.end(archive));
    const node = createNode();
    node.start();
    await node.want(desired(origin));
    await node.told({ state: 'Ready' });
    const namespace = await createNamespace(client);
    const hostPath = { path: join(node.root, 'store/debian-12/v1/root/usr'), type: 'Directory' };
    const spec = {
      nodeName: node.name,
      containers: [{ name: 'main', image: 'none', volumeMounts: [{ name: 'usr', mountPath: '/usr', readOnly: true }] }],
      volumes: [{ name: 'usr', hostPath }],
    };
    await client.create(pods, { metadata: { namespace, name: 'user' }, spec });

    await node.want();
    const kept = await node.told({ state: 'Ready', reason: 'InUse' });
    expect(kept.message).toContain(`${namespace}/user`);
    expect(existsSync(hostPath.path)).toBe(true);

    await client.delete(pods, { namespace, name: 'user' }, { gracePeriodSeconds: 0 });
    await node.told({ state: 'Deleting' });
    expect(existsSync(hostPath.path)).toBe(true);
    await eventually(async () => expect((await node.read()).status?.images).toEqual([]));
    expect([node.files('store'), node.files('trash')]).toEqual([[], []]);
  });

  test('replaces an image of the same name and another digest, and never mixes the two', async () => {
    const other = compress('gzip', tar([...rootEntries(), { name: 'usr/other', content: 'x' }]));
    const origin = await serve((request, response) => response.end(request.url === '/other' ? other : archive));
    const node = createNode();
    node.start();
    await node.want(desired(origin));
    await node.told({ state: 'Ready' });
    const digest = `sha256:${sha256(other)}`;
    await node.want(desired(origin, { digest, source: { http: { url: `${origin}/other`, sha256: sha256(other) } } }));
    await node.told({ state: 'Pending', reason: 'DigestConflict', digest });
    await node.told({ state: 'Ready', digest });
    expect(node.files('store/debian-12/v1/root/usr')).toContain('other');
  });
});

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { sourcesNamespace, systemNamespace } from '../../src/api/names.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { serveFiles, tinyArchive, url } from './lib/files.ts';
import type { Archive } from './lib/files.ts';
import {
  applyContainer,
  distribute,
  distributed,
  imageDistributions,
  osImages,
  page,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { nothingUnfinished, storeOf } from './lib/store.ts';
import { hack, has, killOperators, kubectl, namespace, until } from './lib/system.ts';

/** What goes wrong around an image and its containers, and what a person hears of it. */

let archive: Archive;
let certificate: string;

beforeAll(async () => {
  ({ certificate } = await serveFiles());
  archive = await tinyArchive('fault1');
});
afterAll(() => remove({ containers: ['steady'], images: ['tiny:fault1', 'tiny:fault2'] }));
afterEach(() => remove({ images: ['tiny:bad'] }));

const node = 'node-1';
const failures: [string, string, () => Parameters<typeof distribute>[2], string][] = [
  ['a truncated archive', 'TruncatedArchive', () => ({ url: url(archive, 'truncated') }), 'ended after'],
  ['a wrong sha256', 'DigestMismatch', () => ({ sha256: 'f'.repeat(64) }), 'ffff'],
  ['an unreachable URL', 'UnreachableSource', () => ({ url: `http://nowhere.${namespace}.svc/x.tar.zst` }), 'nowhere'],
  ['a missing file', 'HTTPStatus', () => ({ url: url({ ...archive, file: 'no-such-file' }) }), '404'],
  ['a server that wants credentials', 'Unauthorized', () => ({ url: url(archive, 'bearer') }), '401'],
  [
    'a certificate of an unknown authority',
    'CertificateUntrusted',
    () => ({ url: url(archive, 'good', true) }),
    'caRef',
  ],
  ['a bundle of another version', 'BundleMismatch', () => ({}), 'fault1'],
];

test.each(failures)('%s is reported as %s, and nothing of it is stored', async (_what, reason, http, words) => {
  await distribute('tiny:bad', archive, http());
  const image = await until(
    osImages,
    { name: 'tiny.bad' },
    `is not Ready because of ${reason}`,
    (i) => has(i, 'Ready', `False/${reason}`),
    // Two tries. A server that breaks off is asked to go on for about a minute in each.
    200,
  );
  expect(image.status?.conditions?.find((c) => c.type === 'Ready')?.message).toContain(words);
  const distribution = await until(
    imageDistributions,
    { name: 'tiny.bad' },
    'tells the failed nodes',
    (d) => d.status?.nodes?.failed === 3 && has(d, 'Ready', 'False/NodesFailed'),
    90,
  );
  expect(distribution.status?.failedNodes).toHaveLength(3);
  expect(distribution.status?.failedNodes?.every((f) => f.reason === reason)).toBe(true);
  // Between two tries: the agents go on trying.
  await expect.poll(() => storeOf(node), { timeout: 30_000 }).not.toContain('bad');
});

test('credentials and authorities are taken from Secrets', async () => {
  const secret = (name: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: sourcesNamespace },
    stringData,
  });
  const secrets = [
    secret('e2e-token', { token: 'open-sesame' }),
    secret('e2e-basic', { username: 'ali', password: 'baba' }),
    secret('e2e-ca', { 'ca.crt': certificate }),
  ];
  await kubectl.apply(secrets, 'e2e');
  await distribute('tiny:fault1', archive, { url: url(archive, 'bearer'), secretRef: { name: 'e2e-token' } });
  await distributed('tiny:fault1');
  const second = await tinyArchive('fault2');
  await distribute('tiny:fault2', second, {
    url: url(second, 'basic', true),
    secretRef: { name: 'e2e-basic' },
    caRef: { name: 'e2e-ca' },
  });
  await distributed('tiny:fault2');
  await kubectl.run(['-n', sourcesNamespace, 'delete', 'secret', 'e2e-token', 'e2e-basic', 'e2e-ca']);
});

test('an agent that is killed in mid-extraction leaves nothing half, and the next one finishes', async () => {
  const slow = await tinyArchive('slow');
  await distribute('tiny:slow', slow, { url: url(slow, 'slow') });
  await until(
    nodeStores,
    { name: node },
    'is fetching',
    (s) =>
      s.status?.images?.some((i) => i.version === 'slow' && i.state === 'Fetching' && (i.downloadedBytes ?? 0) > 0) ??
      false,
  );
  expect(await storeOf(node)).toMatch(/staging\/.*slow/);
  const [agent] = (
    await kubectl.list(pods, { namespace: systemNamespace, labelSelector: 'app.kubernetes.io/component=agent' })
  ).filter((p) => p.spec.nodeName === node);
  await kubectl.run([
    '-n',
    systemNamespace,
    'delete',
    'pod',
    agent?.metadata.name ?? '',
    '--grace-period=0',
    '--force',
  ]);
  expect(await storeOf(node)).not.toContain('store/tiny/slow');
  await distributed('tiny:slow', 120);
  await nothingUnfinished(node);
  await remove({ images: ['tiny:slow'] });
});

test('an operator that is killed in mid-upgrade is replaced by one that goes on', async () => {
  await applyContainer('steady', { image: 'tiny:fault1', upgrade: { minReadySeconds: 4 } });
  await upToDate('steady', 'tiny:fault1');
  await applyContainer('steady', { image: 'tiny:fault2', upgrade: { minReadySeconds: 4 } });
  await untilContainer('steady', 'is being upgraded', (c) => has(c, 'Upgraded', 'Unknown/InProgress'));
  await killOperators();
  const container = await upToDate('steady', 'tiny:fault2');
  expect(container.status?.lastKnownGoodImage).toBe('tiny:fault2');
  expect(await page('steady')).toContain('tiny:fault2');
});

test('an image in use stays on its node when its distribution is deleted, and goes when no one uses it', async () => {
  await kubectl.run(['delete', 'imagedistribution', 'tiny.fault2']);
  const { status } = await upToDate('steady', 'tiny:fault2');
  await hack(
    'cluster',
    'node',
    'exec',
    status?.nodeName ?? '',
    'test',
    '-d',
    '/var/lib/monoroot/store/tiny/fault2/root',
  );
  await remove({ containers: ['steady'] });
  await until(
    nodeStores,
    { name: status?.nodeName ?? '' },
    'has collected it',
    (s) => !s.status?.images?.some((i) => i.version === 'fault2'),
    120,
  );
});

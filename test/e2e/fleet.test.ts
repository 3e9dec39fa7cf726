import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRegistry, stopRegistry } from '../../hack/lib/registry/registry.ts';
import type { Registry } from '../../hack/lib/registry/registry.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { annotations } from '../../src/api/names.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { dashboards } from '../../hack/lib/dashboards/dashboards.ts';
import { pictureOf, seriesName } from '../../hack/lib/dashboards/picture.ts';
import type { Dashboard, Series } from '../../hack/lib/dashboards/picture.ts';
import { serveFiles } from './lib/files.ts';
import type { Archive } from './lib/files.ts';
import { spread } from './lib/images.ts';
import { applyContainer, distributed, inside, page, remove } from './lib/objects.ts';
import { startPrometheus } from './lib/prometheus.ts';
import type { Prometheus } from './lib/prometheus.ts';
import { baseArchive, debianMirror, makeSecrets, order, orderFrom, removeSecrets } from './lib/recipes.ts';
import { has, kubectl, namespace, until } from './lib/system.ts';
import { recordAll } from './lib/watch.ts';
import type { Sighting } from './lib/watch.ts';

/** From a recipe to the fleet: built in the cluster, tested on one node, published, activated, rolled out, halted. */

const os = 'fleet';
const image = (version: string) => `${os}:${version}`;
/** Above v2, so that it becomes the default. */
const bad = 'v3-bad';
const named = (version: string) => ({ name: `${os}.${version}` });
const followers = Array.from({ length: 20 }, (_, i) => `follower-${String(i + 1).padStart(2, '0')}`);
const maxUnavailable = 5;
const credentials = { username: 'builder', password: 'right' };
/** Where the dashboards are drawn for the docs: docs/pictures. Unset: nowhere. */
const pictures = process.env['MONOROOT_PICTURES'];
const began = Date.now();
let registry: Registry;
let prometheus: Prometheus;
let base: Archive;

beforeAll(async () => {
  await serveFiles();
  registry = await startRegistry(kubectl, { namespace, credentials });
  base = await baseArchive();
  await makeSecrets(registry, credentials);
  prometheus = await startPrometheus();
});
afterAll(async () => {
  prometheus.stop();
  await remove({ containers: followers });
  await remove({ images: ['v1', 'v2', bad, 'untested', 'unbuilt', 'debian'].map(image) });
  await removeSecrets();
  await stopRegistry(kubectl, namespace);
});

const untilImage = (version: string, type: string, stated: string, seconds = 240) =>
  until(osImages, named(version), `${type}=${stated}`, (i) => has(i, type, stated), seconds);

const isReady = (container: HostedContainer) => findCondition(container.status?.conditions, 'Ready')?.status === 'True';
const list = () => kubectl.list(hostedContainers, { namespace, labelSelector: 'fleet=e2e' });

/** All followers are good on the image. */
const all = (version: string, seconds = 240) =>
  expect
    .poll(
      async () => (await list()).filter((c) => isReady(c) && c.status?.lastKnownGoodImage === image(version)).length,
      { timeout: seconds * 1000, interval: 500 },
    )
    .toBe(followers.length);

const watched = { selector: { matchLabels: { fleet: 'e2e' } }, maxUnavailable };
const rollout = (canaries: number) => ({
  newContainers: true,
  existingContainers: { ...watched, canary: { count: canaries, soakSeconds: 3 }, maxFailures: 1 },
});

/** The most containers that were not Ready at one moment, by the record of a watch, from when all had been Ready once. */
function mostDown(seen: readonly Sighting<HostedContainer>[]): number {
  const down = new Set<string>();
  let [most, began] = [0, false];
  const known = new Set<string>();
  for (const { object } of seen) {
    known.add(object.metadata.name);
    if (isReady(object)) down.delete(object.metadata.name);
    else down.add(object.metadata.name);
    began ||= known.size === followers.length && down.size === 0;
    if (began) most = Math.max(most, down.size);
  }
  return most;
}

test('a recipe is built, tested on one node only, published, signed, and then it may be distributed', async () => {
  await order(image('v1'), registry, base, { verify: ['/bin/grep', '-q', image('v1'), '/etc/motd'] });
  // It asks for all nodes before the image has passed; none but that of the test may have it.
  await spread(image('v1'), { activate: { newContainers: true } });
  const built = await untilImage('v1', 'Built', 'True/Pushed');
  expect(built.status?.build?.digest).toMatch(/^sha256:/);
  await untilImage('v1', 'Verified', 'True/Passed');
  const published = await untilImage('v1', 'Published', 'True/Published');
  expect(published.status?.digest).toBe(built.status?.build?.digest);
  expect(published.status?.publication).toMatchObject({
    reference: `${registry.address}/os/production/${os}:v1`,
    signed: true,
  });
  await distributed(image('v1'), 120);
  const stores = await kubectl.list(nodeStores);
  const stored = stores.map(({ status }) => status?.images?.find((i) => i.os === os && i.version === 'v1'));
  expect(stored.map((it) => [it?.state, it?.digest])).toEqual(stores.map(() => ['Ready', published.status?.digest]));
});

test('a build that fails says so with its last words, and is no image', async () => {
  await order(image('unbuilt'), registry, base, { run: ['echo cannot do that >&2; exit 7'], verify: ['/bin/true'] });
  const failed = await until(
    osImages,
    named('unbuilt'),
    'is informed that its build failed',
    (i) => findCondition(i.status?.conditions, 'Built')?.status === 'False',
    240,
  );
  expect(findCondition(failed.status?.conditions, 'Built')?.message).toContain('cannot do that');
  expect(findCondition(failed.status?.conditions, 'Stalled')?.status).toBe('True');
  expect(findCondition(failed.status?.conditions, 'Ready')?.status).toBe('False');
});

test('an image that fails its test reaches no other node', async ({ onTestFinished }) => {
  const seen = recordAll({ onTestFinished }, nodeStores, {}, 'fieldSelector=');
  await order(image('untested'), registry, base, { verify: ['/bin/sh', '-c', 'echo the test said no >&2; exit 3'] });
  await spread(image('untested'));
  const failed = await untilImage('untested', 'Verified', 'False/Failed');
  expect(findCondition(failed.status?.conditions, 'Verified')?.message).toContain('the test said no');
  const told = seen.filter(({ object }) => object.spec.images.some((i) => i.os === os && i.version === 'untested'));
  expect(new Set(told.map(({ object }) => object.metadata.name)).size).toBe(1);
});

test('followers are moved in waves, never more at a time than allowed', async ({ onTestFinished }) => {
  for (const name of followers) await follower(name);
  await all('v1');
  const seen = recordAll({ onTestFinished }, hostedContainers, { namespace }, 'labelSelector=fleet%3De2e');
  await order(image('v2'), registry, base, { verify: ['/bin/true'] });
  await spread(image('v2'), { activate: rollout(2) });
  await all('v2', 300);
  await until(imageDistributions, named('v2'), 'is done', (d) => has(d, 'Ready', 'True/RolledOut'), 60);
  expect(mostDown(seen)).toBeGreaterThan(0);
  expect(mostDown(seen)).toBeLessThanOrEqual(maxUnavailable);
  expect(await inside('follower-20', 'cat /etc/motd')).toBe(image('v2'));
  expect(await page('follower-20')).toBe(`${namespace}/follower-20 on ${image('v2')}`);
});

test('a bad version is halted by its canaries and condemned, and everybody is on the good one', async ({
  onTestFinished,
}) => {
  const seen = recordAll({ onTestFinished }, hostedContainers, { namespace }, 'labelSelector=fleet%3De2e');
  const serve = '#!/bin/sh\necho "/etc/fleet.conf: line 3: no such thing" >&2\nexit 1\n';
  await order(image(bad), registry, base, { serve, verify: ['/bin/true'] });
  await spread(image(bad), { activate: rollout(2) });
  const halted = await until(
    imageDistributions,
    named(bad),
    'is halted',
    (d) => findCondition(d.status?.conditions, 'RolloutHalted')?.status === 'True',
    300,
  );
  expect(findCondition(halted.status?.conditions, 'RolloutHalted')?.message).toContain('no such thing');
  await all('v2');
  const tried = new Set(
    seen.filter(({ object }) => object.status?.image === image(bad)).map(({ object }) => object.metadata.name),
  );
  expect([...tried].sort()).toEqual(['follower-01', 'follower-02']);
  const condemned = await untilImage(bad, 'Condemned', 'True/Condemned', 60);
  expect(condemned.metadata.annotations?.[annotations.condemned]).toContain('follower-0');
  await until(osImages, named('v2'), 'is the default again', (i) => i.status?.defaultVersion === true, 60);
  await expect
    .poll(() => prometheus.firing('MonorootRolloutHalted'), { timeout: 30_000 })
    .toContainEqual(expect.objectContaining({ distribution: named(bad).name, severity: 'critical' }));
});

/** Panels whose series come only with what this fleet has not seen: a gate, a failed fetch, … */
const mayBeEmpty = [
  'Gates',
  'Tries that failed',
  'Verifications',
  'Stalled objects',
  'Oldest look',
  'Soak ends in',
  'Lists and watches that ended',
];

test('the panels of the dashboards have series', async () => {
  const empty: string[] = [];
  for (const [file, text] of dashboards()) {
    const dashboard = JSON.parse(text) as Dashboard;
    const drawn = new Map<string, Series[]>();
    for (const { title, targets } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        const asked = expr.replaceAll(/\$(os|node)\b/g, '.*').replaceAll('$distribution', named(bad).name);
        if ((await prometheus.query(asked.replaceAll('$__rate_interval', '10m'))).length === 0) empty.push(title);
        if (pictures === undefined) continue;
        const found = await prometheus.queryRange(asked.replaceAll('$__rate_interval', '30s'), began);
        const series = found.map(({ metric, values }) => ({
          name: seriesName(legendFormat, metric),
          points: values.map(([time, value]): [number, number] => [time, Number(value)]),
        }));
        drawn.set(title, [...(drawn.get(title) ?? []), ...series]);
      }
    }
    if (pictures !== undefined)
      writeFileSync(
        join(pictures, `grafana-${file.replace('.json', '.svg')}`),
        pictureOf(dashboard, (it) => drawn.get(it) ?? []),
      );
  }
  expect(empty.filter((title) => !mayBeEmpty.includes(title))).toEqual([]);
});

const mirror = debianMirror();
test.skipIf(mirror === undefined)(
  'a Debian is built of packages, without more rights than a chroot takes',
  async () => {
    // Its scripts insist on a /proc, and run Java.
    const java = 'openjdk-17-jre-headless';
    const recipe = { packages: { install: ['procps', java], remove: ['tzdata'] }, run: ['readlink /proc/self/exe'] };
    const from = { debootstrap: { suite: 'bookworm', mirror } };
    const verify = [
      '/bin/sh',
      '-c',
      'ps --version && java -version && ! dpkg -s tzdata && grep -q debian /etc/os-release',
    ];
    await orderFrom(image('debian'), registry, from, { debian: true, verify }, recipe);
    const built = await untilImage('debian', 'Built', 'True/Pushed', 600);
    expect(built.status?.build?.packages).toBeGreaterThan(50);
    await untilImage('debian', 'Published', 'True/Published', 240);
  },
);

const follower = (name: string) =>
  applyContainer(name, { image: os, upgrade: { minReadySeconds: 1 } }, { fleet: 'e2e' });

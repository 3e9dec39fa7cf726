// What containers of one image take together on a node: bytes on disk, page cache, mapped files, memory of their own, for 1, 10
// and 50 of them and for one of each of two versions; HostedContainers against ordinary Pods of the same Debian as an OCI
// image, with v2 as a layer on v1 and with v2 as an image of its own; HostedContainers with direct mounts, where the node has the plugin. All run nginx and are Ready; each has read all of its
// /usr. Usage: hack/bench/share [--counts 1,10,50] [--node node-1]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { startRegistry } from '../lib/registry/registry.ts';
import { chooseNode, hasDirectMounts, hostedContainer, isReady, namespace, withCluster } from './cluster.ts';
import type { Bench } from './cluster.ts';
import { addImage, removeImages } from './containerd.ts';
import { diskBytes, evict, footprint, podPrefix } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { createImage, debianBundles, deleteImages, distribute, ociImage, os } from './images.ts';
import { printResult, printTable } from './lib.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/share',
  does: 'Disk, page cache and memory of 1, 10 and 50 containers of one image on a node, and of two versions, against ordinary Pods.',
};
const options = readOptions(about, { counts: { type: 'string', default: '1,10,50' }, node: { type: 'string' } });
const counts = options.counts.split(',').map(Number);
const readinessProbe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 };

/** One way to run containers of an image on a node. */
interface Side {
  name: string;
  /** Brings the image to the node. */
  add: (version: string) => Promise<unknown>;
  start: (name: string, version: string) => Promise<unknown>;
  stop: (name: string) => Promise<unknown>;
  /** Takes all of it off the node again. */
  clear: () => Promise<unknown>;
}

interface Row extends Footprint {
  name: string;
}

await withCluster(async (bench) => {
  const node = await chooseNode(bench.client, options.node);
  const [v1 = '', v2 = ''] = await debianBundles();
  const images = { v1: await ociImage([v1]), v2: await ociImage([v1, v2]), 'v2-flat': await ociImage([v2]) };
  const registry = await startRegistry(bench.kubectl, { namespace });
  for (const [tag, image] of Object.entries(images)) await registry.push(image.directory, `bench/debian:${tag}`);
  const reference = (tag: string) => `${registry.nodeAddress}/bench/debian:${tag}`;
  const { client } = bench;

  const hosted = (name: string, mounts: 'HostPath' | 'Direct'): Side => ({
    name,
    async add(version) {
      const sha256 = images[version === 'v1' ? 'v1' : 'v2-flat'].layers[0]?.digest.replace('sha256:', '') ?? '';
      const url = `http://${registry.address}/v2/bench/debian/blobs/sha256:${sha256}`;
      const mountScript = readFileSync(join(import.meta.dirname, '../lib/osimages/debian-mount.sh'), 'utf8');
      const defaults = { command: ['/usr/sbin/nginx'] };
      await createImage(client, version, { source: { http: { url, sha256 } }, mountScript, defaults });
      await distribute(client, version, node);
    },
    start: (pod, version) => {
      const spec = { image: `${os}:${version}`, command: ['/usr/sbin/nginx'], readinessProbe, mounts };
      return client.create(hostedContainers, hostedContainer(pod, node, spec));
    },
    stop: (pod) => client.delete(hostedContainers, { namespace, name: pod }),
    clear: () => deleteImages(client),
  });
  const ordinary = (name: string, tags: Record<string, string>): Side => ({
    name,
    add: (version) => addImage(node, reference(tags[version] ?? '')),
    start: (pod, version) => client.create(pods, ordinaryPod(pod, node, reference(tags[version] ?? ''))),
    stop: (pod) => client.delete(pods, { namespace, name: pod }),
    clear: () => removeImages(node, Object.values(images).map(({ digest }) => digest)), // prettier-ignore
  });
  const sides = [
    { side: hosted('HostedContainers', 'HostPath'), counts },
    ...((await hasDirectMounts(client, node)) ? [{ side: hosted('direct HostedContainers', 'Direct'), counts }] : []),
    { side: ordinary('ordinary Pods', { v1: 'v1', v2: 'v2' }), counts },
    { side: ordinary('ordinary Pods, v2 not on v1', { v1: 'v1', v2: 'v2-flat' }), counts: [1] },
  ];
  for (const { side } of sides) await side.clear();
  console.log(`Debian 12 with nginx on ${node}`);
  const rows: Row[] = [];
  try {
    for (const { side, counts } of sides) rows.push(...(await measure(bench, node, side, counts)));
  } finally {
    // An image that is in use would stay.
    await stopAll(bench);
    for (const { side } of sides) await side.clear();
  }
  print(rows);
});

async function stopAll({ client, pods: watch }: Bench): Promise<void> {
  const left = (await client.list(pods, { namespace })).map(({ metadata }) => metadata.name);
  for (const name of left.filter((name) => name.startsWith(podPrefix))) {
    await client.delete(hostedContainers, { namespace, name });
    await client.delete(pods, { namespace, name });
    await watch.when(name, 'gone', (pod) => pod === undefined);
  }
}

/** A row for each number of containers of v1, and one for v1 and v2 beside each other. */
async function measure(bench: Bench, node: string, side: Side, counts: readonly number[]): Promise<Row[]> {
  const before = await diskBytes(node);
  const look = async (name: string): Promise<Row> => {
    const now = await footprint(bench.client, node);
    return { name: `${side.name}: ${name}`, ...now, disk: now.disk - before };
  };
  const rows: Row[] = [];
  const running: string[] = [];
  const grow = async (count: number, version: string) => {
    const names = Array.from({ length: count }, (_, i) => `${podPrefix}${running.length + i}`);
    for (const name of names) await side.start(name, version);
    await Promise.all(names.map((name) => bench.pods.when(name, 'Ready', isReady, 600)));
    running.push(...names);
  };
  const shrink = async (count: number) => {
    const names = running.splice(count);
    for (const name of names) await side.stop(name);
    await Promise.all(names.map((name) => bench.pods.when(name, 'gone', (pod) => pod === undefined, 300)));
  };
  await side.add('v1');
  // What was unpacked just now is in the page cache whole.
  await evict(node);
  for (const count of counts) {
    await grow(count - running.length, 'v1');
    rows.push(await look(`${count} of v1`));
  }
  await shrink(1);
  await side.add('v2');
  await evict(node);
  await grow(1, 'v2');
  rows.push(await look('1 of v1, 1 of v2'));
  await shrink(0);
  await side.clear();
  return rows;
}

function ordinaryPod(name: string, node: string, image: string) {
  const container = { name: 'main', image, imagePullPolicy: 'Never', readinessProbe };
  const spec = {
    nodeSelector: { 'kubernetes.io/hostname': node },
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    containers: [container],
  };
  return { metadata: { name, namespace }, spec };
}

function print(rows: readonly Row[]): void {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  printTable([
    ['MiB', 'disk', 'page cache', 'mapped files', 'own memory'],
    ...rows.map(({ name, disk, pageCache, mapped, own }) => [name, ...[disk, pageCache, mapped, own].map(mebibytes)]),
  ]);
  const find = (text: string) => rows.find(({ name }) => name === text);
  const disk = (name: string) => find(name)?.disk ?? NaN;
  const most = Math.max(...counts);
  const own = (name: string) => find(`${name}: ${most} of v1`)?.own;
  const [ownOfHosted = NaN, ownOfDirect, ownOfPods = NaN] = [
    'HostedContainers',
    'direct HostedContainers',
    'ordinary Pods',
  ].map(own);
  const [ours, theirs] = ['HostedContainers', 'ordinary Pods'].map((name) => disk(`${name}: ${most} of v1`));
  printResult({
    bench: 'share',
    ratio: (ours ?? NaN) / (theirs ?? NaN),
    ours: ours ?? NaN,
    theirs: theirs ?? NaN,
    unit: 'bytes',
    runs: 1,
    count: most,
    ownMemoryRatio: ownOfHosted / ownOfPods,
    ...(ownOfDirect !== undefined && { directOwnMemoryRatio: ownOfDirect / ownOfPods }),
    diskToOne: (ours ?? NaN) / disk(`HostedContainers: ${Math.min(...counts)} of v1`),
    pageCacheToOne:
      (find(`HostedContainers: ${most} of v1`)?.pageCache ?? NaN) /
      (find(`HostedContainers: ${Math.min(...counts)} of v1`)?.pageCache ?? NaN),
    diskOfTwoVersionsToOne: disk('HostedContainers: 1 of v1, 1 of v2') / disk('HostedContainers: 1 of v1'),
  });
}

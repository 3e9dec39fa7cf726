// How long a node takes to download, verify, unpack and publish an image of Debian: the agent, against `ctr images pull` with
// unpacking, against curl | zstd | bsdtar, and against that pipe with a sync of the file system, as what the agent has
// published is on the disk. All from one registry in the cluster, to the same disk, in turn; what was written before is
// synced before each. Usage: hack/bench/extract [--runs 5] [--node node-1] [--source oci|http] [--compression zstd|gzip] [--layers 1|2]
import { imageName } from '../../src/api/images.ts';
import type { OSImageSpec } from '../../src/api/osimage.ts';
import type { Client } from '../../src/kube/client.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import type { OciImage } from '../lib/osimages/oci.ts';
import { startRegistry } from '../lib/registry/registry.ts';
import type { Registry } from '../lib/registry/registry.ts';
import { chooseNode, namespace, withCluster } from './cluster.ts';
import { mustNotHave, pull, removeAll } from './containerd.ts';
import { createImage, debianBundles, deleteImages, distribute, fetchTime, ociImage, withdraw } from './images.ts';
import { median, printResult, printSides } from './lib.ts';
import { inNode, timeInNode } from './node.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/extract',
  does: 'Download, verification and unpacking of an image: the agent against containerd and against curl | zstd | bsdtar.',
};
const options = readOptions(about, {
  runs: { type: 'string', default: '5' },
  node: { type: 'string' },
  source: { type: 'string', default: 'oci' },
  compression: { type: 'string', default: 'zstd' },
  layers: { type: 'string', default: '1' },
});
const { source, compression } = options;
const runs = Number(options.runs);
const repository = 'bench/debian';
const version = 'extract';
/** Below the directory of the kubelet, as that is on the node's own disk, the one with the store and containerd. */
const directory = '/var/lib/kubelet/monoroot-bench';

await withCluster(async ({ client, kubectl }) => {
  const node = await chooseNode(client, options.node);
  const image = await ociImage((await debianBundles()).slice(0, Number(options.layers)), compression);
  const registry = await startRegistry(kubectl, { namespace });
  await registry.push(image.directory, `${repository}:v1`);
  const clear = async () => {
    await deleteImages(client);
    await removeAll(node);
    await inNode(node, 'rm -rf --one-file-system "$1"', directory);
  };
  await clear();
  await mustNotHave(node, image.layers.map(({ digest }) => digest)); // prettier-ignore
  console.log(await describe(client, node, image));

  const asked: number[] = [];
  const agent = async () => {
    const began = performance.now();
    await distribute(client, version, node);
    const took = performance.now() - began;
    const own = await fetchTime(client, version, node);
    await withdraw(client, [version]);
    asked.push(took);
    return own;
  };
  const ctr = async () => {
    const took = await pull(node, `${registry.nodeAddress}/${repository}:v1`);
    await removeAll(node);
    return took;
  };
  // A directory for each: without a journal ext4 is slow to make files where many were deleted minutes ago, and each side should
  // suffer from what itself has deleted alone (docs/benchmarks.md).
  const pipe = (name: string, after: string) => async () => {
    const target = `${directory}/${name}`;
    const took = await timeInNode(node, pipeScript(image, registry, after), target);
    await inNode(node, 'rm -rf --one-file-system "$1"', target);
    return took;
  };
  const sides = [
    { name: 'agent: download, verify, unpack, publish', run: agent, values: [] as number[] },
    { name: 'ctr images pull, with unpacking', run: ctr, values: [] as number[] },
    { name: `curl | ${decompressor()} | bsdtar`, run: pipe('plain', ''), values: [] as number[] },
    {
      name: `curl | ${decompressor()} | bsdtar, sync -f`,
      run: pipe('durable', 'sync -f "$1"'),
      values: [] as number[],
    },
  ] as const;

  try {
    await createImage(client, version, { source: sourceOf(image, registry) });
    // The first of each warms caches and is not counted. Each goes first as often as any other.
    for (let i = 0; i <= runs; i++) {
      for (const [k] of sides.entries()) {
        const side = sides[(i + k) % sides.length];
        await inNode(node, 'sync -f /var/lib/kubelet');
        const took = await side?.run();
        if (i > 0 && took !== undefined) side?.values.push(took);
      }
    }
  } finally {
    await clear();
  }

  printSides('ms', [...sides, { name: 'ImageDistribution created -> Ready on the node', values: asked.slice(1) }]);
  const [ours = NaN, theirs = NaN, plain = NaN, durable = NaN] = sides.map(({ values }) => median(values));
  printResult({
    bench: 'extract',
    ratio: ours / theirs,
    ours,
    theirs,
    unit: 'ms',
    runs,
    ratioToPipe: ours / plain,
    ratioToDurablePipe: ours / durable,
    source,
    compression,
    layers: image.layers.length,
    pipe: plain,
    durablePipe: durable,
  });
});

async function describe(client: Client, node: string, { layers }: OciImage): Promise<string> {
  const others = (await client.get(nodeStores, { name: node }))?.status?.images?.map(imageName).join(', ');
  const mebibytes = (layers.reduce((sum, { size }) => sum + size, 0) / 2 ** 20).toFixed(1);
  const size = `${mebibytes} MiB of ${compression}, layers: ${layers.length}`;
  return `Debian 12, ${size}, to ${node}, ${runs} times each in turn; agent by ${source}; also in the store: ${others || 'nothing'}`;
}

function decompressor(): string {
  return compression === 'gzip' ? 'gzip' : 'zstd';
}

/** All layers in their order into one directory, as somebody without any of the programs would do it. */
function pipeScript({ layers }: OciImage, { nodeAddress }: Registry, after: string): string {
  const fetch = ({ digest }: { digest: string }) =>
    `curl --silent --show-error --fail http://${nodeAddress}/v2/${repository}/blobs/${digest} | ${decompressor()} -dc | ` +
    'bsdtar -xpf - --numeric-owner --acls --xattrs -C "$1"';
  return ['mkdir -p "$1"', ...layers.map(fetch), after].join('\n');
}

/** By the registry's own protocol, or one of its blobs as an archive on a web server: the same bytes from the same program. */
function sourceOf({ digest, layers }: OciImage, { address }: Registry): OSImageSpec['source'] {
  if (source === 'oci') {
    const oci = { reference: `${address}/${repository}:v1`, digest, plainHTTP: true };
    return { oci };
  }
  const blob = layers[0]?.digest ?? '';
  if (layers.length !== 1) throw new Error('An archive on a web server has no layers: use --layers 1');
  const url = `http://${address}/v2/${repository}/blobs/${blob}`;
  return { http: { url, sha256: blob.replace('sha256:', '') } };
}

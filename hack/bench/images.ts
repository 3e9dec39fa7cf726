import { join } from 'node:path';
import type { ImageDistribution } from '../../src/api/imagedistribution.ts';
import { imageDistributionDefinition } from '../../src/api/imagedistribution.ts';
import { apiVersion, systemNamespace } from '../../src/api/names.ts';
import type { StoredImage } from '../../src/api/nodestore.ts';
import type { OSImage, OSImageSpec } from '../../src/api/osimage.ts';
import { osImageDefinition } from '../../src/api/osimage.ts';
import type { Client } from '../../src/kube/client.ts';
import { imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { imageObjectName } from '../../src/api/images.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { readImage } from '../lib/osimages/oci.ts';
import type { OciImage } from '../lib/osimages/oci.ts';
import { run } from '../lib/process.ts';

/** Images that the benches make, store on one node and remove again. Their OS is one that no one else has. */
export const os = 'bench';
const fieldManager = 'bench';

/** Paths of the bundles of Debian: v1, v2, v3. */
export const debianBundles = async (): Promise<string[]> => (await osimages('debian')).split('\n');

/** An OCI image of bundles, a layer each. */
export const ociImage = async (bundles: readonly string[], compression = 'zstd'): Promise<OciImage> =>
  readImage(await osimages('oci', '--compression', compression, ...bundles));

async function osimages(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(join(import.meta.dirname, '..', 'osimages'), args);
  if (code !== 0) throw new Error(`hack/osimages ${args.join(' ')}: ${stderr.trim()}`);
  return stdout.trim();
}

export async function createImage(
  client: Client,
  version: string,
  rest: Pick<OSImageSpec, 'source'> & Partial<OSImageSpec>,
): Promise<void> {
  const spec = osImageDefinition.spec.parse({ os, version, ...rest }) as OSImageSpec;
  const metadata = { name: imageObjectName({ os, version }) };
  await client.create<OSImage>(osImages, { apiVersion, kind: 'OSImage', metadata, spec }, { fieldManager });
}

/** Asks for the image on one node and waits until it is there. */
export async function distribute(client: Client, version: string, node: string): Promise<StoredImage> {
  const selector = { matchLabels: { 'kubernetes.io/hostname': node } };
  const image = `${os}:${version}`;
  const spec = imageDistributionDefinition.spec.parse({ image, selector }) as ImageDistribution['spec'];
  const metadata = { name: imageObjectName({ os, version }) };
  const distribution = { apiVersion, kind: 'ImageDistribution', metadata, spec };
  await client.create<ImageDistribution>(imageDistributions, distribution, { fieldManager });
  const look = async () => {
    const stored = await storedImage(client, version, node);
    if (stored?.state === 'Ready') return { done: stored };
    return { waiting: `${stored?.state ?? 'unknown'} ${stored?.reason ?? ''} ${stored?.message ?? ''}` };
  };
  return waitFor(`${image} is on ${node}`, look, { seconds: 300, interval: 0.05 });
}

/** Takes images of the benches off the nodes: those of these versions, or all; waits until they are gone. */
export async function withdraw(client: Client, versions?: readonly string[]): Promise<void> {
  const mine = (await client.list(imageDistributions)).filter(
    ({ spec }) => spec.image.startsWith(`${os}:`) && (versions?.includes(spec.image.split(':')[1] ?? '') ?? true),
  );
  for (const { metadata } of mine) await client.delete(imageDistributions, { name: metadata.name });
  const look = async () => {
    const stores = await client.list(nodeStores);
    const left = stores.flatMap(({ metadata, status }) =>
      (status?.images ?? [])
        .filter((image) => image.os === os && (versions?.includes(image.version) ?? true))
        .map((image) => `${image.version} on ${metadata.name} ${image.state} ${image.message ?? ''}`),
    );
    return left.length === 0 ? { done: undefined } : { waiting: left.join(', ') };
  };
  await waitFor('The images of the bench are off the nodes', look, { seconds: 120 });
}

export async function deleteImages(client: Client): Promise<void> {
  await withdraw(client);
  for (const image of await client.list(osImages))
    if (image.spec.os === os) await client.delete(osImages, { name: image.metadata.name });
}

async function storedImage(client: Client, version: string, node: string): Promise<StoredImage | undefined> {
  const store = await client.get(nodeStores, { name: node });
  return store?.status?.images?.find((image) => image.os === os && image.version === version);
}

/** Milliseconds that the agent of the node took for its last fetch of the image, by its log: all from the first byte to the rename. */
export async function fetchTime(client: Client, version: string, node: string): Promise<number> {
  const labelSelector = 'app.kubernetes.io/component=agent';
  const agents = await client.list(pods, { namespace: systemNamespace, labelSelector });
  const agent = agents.find(({ spec }) => spec.nodeName === node);
  if (!agent) throw new Error(`No agent runs on ${node}`);
  const log = await client.podLog({ namespace: systemNamespace, name: agent.metadata.name }, { tailLines: 500 });
  const line = log
    .split('\n')
    .findLast((text) => text.includes('"Stored image"') && text.includes(`"${os}:${version}"`));
  if (line === undefined) throw new Error(`The log of ${agent.metadata.name} does not tell of ${os}:${version}`);
  return (JSON.parse(line) as { seconds: number }).seconds * 1000;
}

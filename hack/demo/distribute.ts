import type { StoredImage } from '../../src/api/nodestore.ts';
import { imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { isTrue } from '../../src/runtime/conditions.ts';
import { explain } from '../lib/kube/explain.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { mebibytes } from '../lib/terminal.ts';
import { show } from './demo.ts';
import type { Demo } from './demo.ts';
import { distribution, image, os, selector, versions } from './objects.ts';
import type { Served } from './serve.ts';

const [first] = versions;

/**
 * Makes the archives images of the cluster and has them stored on every node. One distribution of the operating system is
 * edited to one version after the other: the earlier ones stay on the nodes. The last, v1, is the default for new containers.
 */
export async function distribute(demo: Demo, served: readonly Served[]): Promise<void> {
  const { kubectl, claims, nodes } = demo;
  await kubectl.apply(
    served.map(({ version, sha256 }) => image(version, sha256)),
    'demo',
  );
  for (const { version } of served.toReversed()) {
    await kubectl.apply([distribution(version, { newContainers: version === first })], 'demo');
    await distributed(demo, version);
  }
  await show(demo, 'get', 'osimages,imagedistributions', '-l', selector);
  await show(demo, 'get', 'nodestores');

  const stores = await kubectl.list(nodeStores);
  const facts = served.map(({ version, sha256, bytes }) => {
    const stored = stores
      .flatMap(({ status }) => status?.images ?? [])
      .filter((i) => i.os === os && i.version === version);
    const whole = stored.filter((i) => i.state === 'Ready' && i.digest === `sha256:${sha256}`);
    const size = `${mebibytes(bytes)} to fetch, ${mebibytes(whole[0]?.unpackedBytes ?? 0)} on disk`;
    return [`${os}:${version} is on ${whole.length} nodes, ${size}`, whole.length >= nodes.length] as const;
  });
  claims.check('distributed', Object.fromEntries(facts));
  const [v1, v2] = await Promise.all(
    ['v1', 'v2'].map((version) => kubectl.get(osImages, { name: `${os}.${version}` })),
  );
  claims.check('default', {
    'OSImage debian-12.v1 says that it is the default version': v1?.status?.defaultVersion === true,
    'and debian-12.v2 that it is not': v2?.status?.defaultVersion !== true,
  });
}

/** Waits until the version is on all nodes. */
async function distributed(demo: Demo, version: string): Promise<void> {
  const { kubectl, screen } = demo;
  const look = async () => {
    const { metadata, status } = (await kubectl.get(imageDistributions, { name: os })) ?? {};
    const { conditions } = status ?? {};
    const isSeen = status?.observedGeneration === metadata?.generation && status?.image === `${os}:${version}`;
    return isSeen && isTrue(conditions, 'Distributed') && isTrue(conditions, 'Ready')
      ? { done: undefined }
      : { waiting: await progress(demo, version) };
  };
  const why = async () =>
    [
      await explain(kubectl, imageDistributions, { name: os }),
      await explain(kubectl, osImages, { name: `${os}.${version}` }),
    ].join('\n');
  await waitFor(`${os}:${version} is on all nodes`, look, { seconds: 300, screen, explain: why });
}

/** What every node is at: `node-1 12 of 39 MiB, node-2 Ready, node-3 waiting`. */
async function progress({ kubectl }: Demo, version: string): Promise<string> {
  const stores = await kubectl.list(nodeStores);
  const states = stores.map(({ metadata, status }) => {
    const stored = status?.images?.find((i) => i.os === os && i.version === version);
    return `${metadata.name} ${stored ? describe(stored) : 'has yet to begin'}`;
  });
  return states.join(', ') || 'no node has a store yet';
}

function describe({ state, downloadedBytes, totalBytes, reason, message = '' }: StoredImage): string {
  if (state === 'Fetching' && downloadedBytes) {
    return `${mebibytes(downloadedBytes)}${totalBytes === undefined ? '' : ` of ${mebibytes(totalBytes)}`}`;
  }
  return reason === undefined ? state : `${state} (${reason}: ${message})`;
}

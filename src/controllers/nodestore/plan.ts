import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { DesiredImage } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { defaultVersion, previousImages } from '../default-version.ts';
import { digestOf, whyNotReleased } from '../images.ts';
import { nameOfBytes } from '../hostedcontainer/last-known-good.ts';
import type { Bytes } from '../hostedcontainer/last-known-good.ts';
import { isAssigned, nodeState, selectedNodes, storedImage } from '../node-images.ts';
import { entryNamed } from '../store-entries.ts';
import { sameStatus } from '../../runtime/status.ts';
import { desiredEntry, isStored, namesOf } from './entries.ts';
import type { Limits } from './entries.ts';
import { runningLabels } from './labels.ts';
import { fitting } from '../node-limits.ts';
import type { Cause } from '../node-limits.ts';
import { pinsOf } from './pins.ts';
import { pluginLabel } from './plugin-label.ts';
import { writesFor } from './writes.ts';
import type { Fleet, NodePlan, Observed, Plan } from './observed.ts';

/** That an agent falls silent while its node is getting something makes no event. */
const requeueAfterSeconds = 60;

/** The whole policy: what each node must be asked for. The agents write the status of NodeStores. */
export function planNodeStores(o: Observed): Plan {
  const plans = planFleet(o);
  const actions = plans.map((plan) => ({
    type: 'WriteNode' as const,
    plan,
    store: o.allStores.get(plan.node.metadata.name),
  }));
  return {
    actions: actions.filter(({ plan, store }) => writesFor(plan, plan.node, store).length > 0),
    status: undefined,
    events: [],
    requeueAfterSeconds: plans.every(({ done }) => done) ? undefined : requeueAfterSeconds,
  };
}

/** For every node what it should store and what it may say of itself. */
export function planFleet(fleet: Fleet): NodePlan[] {
  const images = new Map(fleet.images.map((image) => [imageName(image.spec), image]));
  // In an order that does not depend on who asks, or what a node is asked for would change with it.
  const distributions = fleet.distributions
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  // Once for all distributions: each of them gives places in this order.
  const nodes = fleet.nodes.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const granted = grantSlots({ ...fleet, nodes }, distributions, images);
  const pins = pinsByNode(fleet, images);
  const retained = retentions(fleet, distributions, images);
  const sizeOf = sizesOf(fleet);
  const tests = testsByNode(fleet.images);
  const downloads = new Map(distributions.toReversed().map(({ spec }) => [spec.image, spec.download]));
  return fleet.nodes.map((node) => {
    const name = node.metadata.name;
    const store = fleet.stores.get(name);
    const desired = new Map<string, { image: DesiredImage; cause: Cause; assigned: boolean }>();
    const add = (key: string, cause: Cause, limits: Limits | undefined, isRetained = false) => {
      if (desired.has(key)) return;
      const { os, version = '' } = images.get(key)?.spec ?? parseReference(key);
      const image = desiredEntry(images.get(key), { os, version }, store, limits, sizeOf);
      const before = entryNamed(store?.spec.images, os, version);
      const assigned = before !== undefined && !before.retained;
      if (image) desired.set(key, { image: isRetained ? retainedEntry(image, before) : image, cause, assigned });
    };
    const given = granted.get(name);
    const limitsFor = (key: string) => given?.get(key) ?? downloads.get(key);
    for (const key of pins.get(name) ?? []) add(key, 'Pinned', limitsFor(key));
    for (const key of tests.get(name) ?? []) add(key, 'Tested', limitsFor(key));
    for (const [key, limits] of given ?? []) add(key, 'Distributed', limits);
    for (const { limit, images: earlier } of retained) {
      const there = earlier.filter((it) => it.nodes.has(name) && !desired.has(it.key));
      const kept = there.filter((it, i) => i < limit || it.isDefault);
      // The default version is nothing that may go for lack of room.
      for (const it of kept) add(it.key, it.isDefault ? 'Distributed' : 'Retained', undefined, !it.isDefault);
    }
    const { kept, cut } = fitting([...desired.values()]);
    const list = kept.sort((a, b) => (namesOf(a).name < namesOf(b).name ? -1 : 1));
    const there = new Set(list.filter((it) => isStored(it, store)));
    const done = list.every((it) => it.retained || there.has(it));
    const pods = fleet.pods.get(name) ?? [];
    const labels = { ...imageLabels([...there]), ...pluginLabel(store, pods) };
    const running = runningLabels(node, labels, pods);
    return { node, images: list, labels: { ...labels, ...running }, cut, done };
  });
}

/**
 * By node the images that distributions put there, in the order of the nodes that are given, and the limits for fetching them, with no more nodes fetching one at a time
 * than its parallelism says. Nodes that failed or do not answer hold no place; those that do not answer get none.
 */
function grantSlots(
  fleet: Fleet,
  distributions: readonly ImageDistribution[],
  images: ReadonlyMap<string, OSImage>,
): Map<string, Map<string, Limits>> {
  const granted = new Map<string, Map<string, Limits>>();
  for (const distribution of distributions) {
    const { image: key, parallelism, download } = distribution.spec;
    const image = images.get(key);
    if (!image) continue;
    const selected = selectedNodes(distribution, image, fleet.nodes);
    const states = selected.map((node) => {
      const { name } = node.metadata;
      const store = fleet.stores.get(name);
      return { name, state: nodeState(node, store, image, fleet.now), assigned: isAssigned(store, image) };
    });
    let free = slots(parallelism, selected.length) - states.filter(({ state }) => state === 'Fetching').length;
    for (const { name, state, assigned } of states) {
      // What a node was asked for is not taken back.
      if (!assigned && (state === 'Unreachable' || state === 'Failed')) continue;
      if (!assigned && state === 'Waiting' && free-- <= 0) continue;
      const limits = granted.get(name) ?? new Map<string, Limits>();
      granted.set(name, limits);
      if (!limits.has(key)) limits.set(key, download);
    }
  }
  return granted;
}

interface Retention {
  limit: number;
  /** Newest first, each with the nodes that have it and are still selected. */
  images: { key: string; isDefault: boolean; nodes: ReadonlySet<string> }[];
}

/** For every distribution the earlier images that nodes keep because they have them; none is ever fetched for that. */
function retentions(
  { nodes, stores }: Fleet,
  distributions: readonly ImageDistribution[],
  images: ReadonlyMap<string, OSImage>,
): Retention[] {
  return distributions.map((distribution) => ({
    limit: distribution.spec.retainVersions,
    images: previousImages(distribution)
      .flatMap((key) => images.get(key) ?? [])
      .map((image) => ({
        key: imageName(image.spec),
        isDefault: defaultVersion(image.spec.os, distributions) === image.spec.version,
        nodes: new Set(
          selectedNodes(distribution, image, nodes)
            .map(({ metadata }) => metadata.name)
            .filter((name) => storedImage(stores.get(name), image)?.state === 'Ready'),
        ),
      })),
  }));
}

/**
 * By digest the bytes on disk: the median of what nodes report, and only when two have. Nodes ask for that much room before
 * they fetch, so an agent that says too much would otherwise keep the image from all of them.
 */
function sizesOf(fleet: Fleet): (digest: string) => number | undefined {
  // Where all nodes have all images, no one asks.
  let sizes: Map<string, number> | undefined;
  return (digest) => (sizes ??= reportedSizes(fleet)).get(digest);
}

function reportedSizes({ stores }: Fleet): Map<string, number> {
  const assigned = new Map<string, number[]>();
  for (const { status } of stores.values()) {
    const own = new Map<string, number>();
    for (const { digest, state, unpackedBytes } of status?.images ?? [])
      if (state === 'Ready' && unpackedBytes !== undefined) own.set(digest, unpackedBytes);
    // A digest may be there under several names; a node has one vote.
    for (const [digest, bytes] of own) {
      const sizes = assigned.get(digest);
      if (sizes) sizes.push(bytes);
      else assigned.set(digest, [bytes]);
    }
  }
  return new Map(
    [...assigned].flatMap(([digest, sizes]): [string, number][] => {
      const middle = sizes.sort((a, b) => a - b)[Math.floor((sizes.length - 1) / 2)];
      return sizes.length < 2 || middle === undefined ? [] : [[digest, middle]];
    }),
  );
}

/** Nodes at once: a number, or a percentage of all, of which at least one unless it is 0. */
export function slots(parallelism: number | string, total: number): number {
  if (typeof parallelism === 'number') return parallelism;
  const percent = Number(parallelism.replace('%', ''));
  return percent === 0 ? 0 : Math.max(1, Math.floor((total * percent) / 100));
}

/** By node what its containers keep there. */
function pinsByNode(
  { containers, stores, images: all }: Fleet,
  named: ReadonlyMap<string, OSImage>,
): Map<string, Set<string>> {
  const pins = new Map<string, Set<string>>();
  const byDigest = Map.groupBy(all, (image) => image.status?.digest ?? digestOf(image));
  const catalog = {
    find: (os: string, version: string) => named.get(imageName({ os, version })),
    withDigest: (digest: string) => byDigest.get(digest) ?? [],
  };
  // Thousands of containers would go back to the same few.
  const names = new Map<string, string>();
  const nameOfGood = (good: Bytes) => {
    const key = `${good.image} ${good.digest ?? ''}`;
    const name = names.get(key) ?? nameOfBytes(catalog, good);
    names.set(key, name);
    return name;
  };
  for (const { node, images, good, software } of containers.flatMap(pinsOf)) {
    const keys = pins.get(node) ?? new Set();
    for (const { image } of images) keys.add(image);
    if (good) keys.add(nameOfGood(good));
    for (const image of software)
      if (stores.get(node)?.spec.images.some((it) => imageName(it) === image)) keys.add(image);
    pins.set(node, keys);
  }
  return pins;
}

/**
 * By node the images that are tested there: from the choice of the node until the test has failed or the image may go to
 * other nodes, so that nothing is fetched again in between.
 */
function testsByNode(images: readonly OSImage[]): Map<string, string[]> {
  const tests = new Map<string, string[]>();
  for (const image of images) {
    const { node, outcome } = image.status?.verification ?? {};
    if (node === undefined || outcome === 'Failed' || !image.spec.verification || !whyNotReleased(image)) continue;
    tests.set(node, [...(tests.get(node) ?? []), imageName(image.spec)]);
  }
  return tests;
}

/** The entry of the store itself, if it says so already. */
function retainedEntry(image: DesiredImage, before: DesiredImage | undefined): DesiredImage {
  const retained = { ...image, retained: true };
  return before && sameStatus(before, retained) ? before : retained;
}

/** Only what is desired and completely there is advertised; so an image loses its label before the agent may remove it. */
const imageLabels = (there: readonly DesiredImage[]): Record<string, string> =>
  Object.fromEntries(there.map(namesOf).map(({ label }) => [label.key, label.value]));

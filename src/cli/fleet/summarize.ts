import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { annotations } from '../../api/names.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { describeProgress } from '../rollout/describe.ts';
import type { Standing } from '../rollout/describe.ts';

/** One version of an operating system, as the whole fleet has it. */
export interface VersionSummary {
  version: string;
  /** Nodes that have all of it, and nodes that should. */
  nodes: { ready: number; desired: number };
  /** Containers that run it now, that are on their way to it, and that have failed with it. */
  running: number;
  target: number;
  failed: number;
  default: boolean;
  /** Evidence of the rollout that condemned it. */
  condemned?: string;
  /** There is no OSImage of it any more, or none yet. */
  unknown: boolean;
}

export interface DistributionSummary {
  name: string;
  image: string;
  nodes: { ready: number; desired: number };
  containers?: { updated: number; following: number; reverted: number };
  standing: Standing;
  /** Why it is not done. */
  why?: string;
}

export interface OsSummary {
  os: string;
  default?: string;
  versions: VersionSummary[];
  distributions: DistributionSummary[];
}

export interface FleetObjects {
  osImages: readonly OSImage[];
  distributions: readonly ImageDistribution[];
  nodeStores: readonly NodeStore[];
  containers: readonly HostedContainer[];
}

/** All of the fleet by operating system, in order of names. */
export function summarizeFleet(objects: FleetObjects, now: Date): OsSummary[] {
  const versions = Map.groupBy(summarizeVersions(objects), ([image]) => parseReference(image).os);
  const distributions = Map.groupBy(objects.distributions, ({ spec }) => parseReference(spec.image).os);
  const names = [...new Set([...versions.keys(), ...distributions.keys()])].sort();
  return names.map((os) => {
    const all = (versions.get(os) ?? []).map(([, version]) => version);
    const chosen = all.find((version) => version.default);
    return {
      os,
      ...(chosen && { default: chosen.version }),
      versions: all.sort((a, b) => byName(a.version, b.version)),
      distributions: (distributions.get(os) ?? []).map((one) => summarizeDistribution(one, now)),
    };
  });
}

/** `v9` before `v10`. */
const byName = new Intl.Collator('en', { numeric: true }).compare;

function summarizeVersions(objects: FleetObjects): [string, VersionSummary][] {
  const versions = new Map<string, VersionSummary>();
  const of = (image: string): VersionSummary => {
    const summary = versions.get(image) ?? emptySummary(parseReference(image).version ?? '');
    versions.set(image, summary);
    return summary;
  };
  objects.osImages.forEach((image) => addImage(of(imageName(image.spec)), image));
  objects.nodeStores.forEach((store) => countNode(store, of));
  objects.containers.forEach((container) => countContainer(container, of));
  return [...versions];
}

const emptySummary = (version: string): VersionSummary => ({
  version,
  nodes: { ready: 0, desired: 0 },
  running: 0,
  target: 0,
  failed: 0,
  default: false,
  unknown: true,
});

function addImage(summary: VersionSummary, { metadata, status }: OSImage): void {
  const condemned = metadata.annotations?.[annotations.condemned];
  summary.unknown = false;
  summary.default = status?.defaultVersion ?? false;
  if (condemned !== undefined) summary.condemned = condemned;
}

function countNode({ spec, status }: NodeStore, of: (image: string) => VersionSummary): void {
  for (const wanted of spec.images) if (wanted.retained !== true) of(imageName(wanted)).nodes.desired += 1;
  for (const stored of status?.images ?? []) if (stored.state === 'Ready') of(imageName(stored)).nodes.ready += 1;
}

function countContainer({ status }: HostedContainer, of: (image: string) => VersionSummary): void {
  if (status?.image !== undefined) of(status.image).running += 1;
  if (status?.targetImage !== undefined) of(status.targetImage).target += 1;
  for (const image of new Set(status?.failedImages?.map((failed) => failed.image))) of(image).failed += 1;
}

function summarizeDistribution(distribution: ImageDistribution, now: Date): DistributionSummary {
  const { metadata, spec, status } = distribution;
  const { standing, why } = describeProgress(distribution, now);
  const { ready = 0, desired = 0 } = status?.nodes ?? {};
  const { containers } = status ?? {};
  return {
    name: metadata.name,
    image: spec.image,
    nodes: { ready, desired },
    ...(containers &&
      spec.activate.existingContainers && {
        containers: { updated: containers.updated, following: containers.following, reverted: containers.reverted },
      }),
    standing,
    ...(why !== undefined && { why }),
  };
}

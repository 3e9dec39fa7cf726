import { hostedContainerDefinition } from '../../api/hostedcontainer.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageDistributionDefinition } from '../../api/imagedistribution.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { parseReference } from '../../api/images.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import type { KindDefinition, KindObject } from '../../api/meta.ts';
import { apiVersion } from '../../api/names.ts';
import { osImageDefinition } from '../../api/osimage.ts';
import type { OSImage } from '../../api/osimage.ts';
import { nodes as nodeResource } from '../../kube/resources.ts';
import type { Client } from '../../kube/client.ts';
import { ApiError } from '../../runtime/errors.ts';
import { CommandError } from '../command.ts';
import type { Document } from '../lint/documents.ts';
import { readScene } from '../scene/scene.ts';
import type { Scene } from '../scene/scene.ts';

/** What a plan is about: a distribution, and the fleet that it is for. */
export interface Subject {
  distribution: ImageDistribution;
  /** The image that it names; undefined when there is none yet. */
  image: OSImage | undefined;
  scene: Scene;
  nodes: readonly Node[];
  /** The fleet is made up: there are no nodes to look at. */
  madeUp: boolean;
}

/** The fleet of the cluster; nodes are missing when the user may not list them. */
export async function readFleet(client: Client): Promise<{ scene: Scene; nodes: readonly Node[] }> {
  const [scene, found] = await Promise.all([
    readScene(client, undefined),
    client.list(nodeResource).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 403) return undefined;
      throw error;
    }),
  ]);
  return { scene: found ? scene : { ...scene, unseen: [...scene.unseen, 'nodes'].sort() }, nodes: found ?? [] };
}

/** The ImageDistribution of a file, and the OSImage that it names if the file has that too. Throws an error for users. */
export function readFromFile(documents: readonly Document[], name: string | undefined) {
  const ours = documents.filter(({ value }) => value['apiVersion'] === apiVersion);
  const distributions = ours
    .filter(({ value }) => value['kind'] === 'ImageDistribution')
    .map((it) => parsed(it, imageDistributionDefinition) as ImageDistribution);
  const chosen = name === undefined ? distributions : distributions.filter(({ metadata }) => metadata.name === name);
  const [distribution] = chosen;
  const file = documents[0]?.file ?? 'The file';
  if (!distribution) throw new CommandError(`${file} has no ImageDistribution${name === undefined ? '' : ` ${name}`}`);
  if (chosen.length > 1)
    throw new CommandError(`${file} has ${chosen.length} ImageDistributions: name one of them before -f`);
  const image = ours
    .filter(({ value }) => value['kind'] === 'OSImage')
    .map((it) => parsed(it, osImageDefinition) as OSImage)
    .find(({ spec }) => `${spec.os}:${spec.version}` === distribution.spec.image);
  return { distribution, image };
}

/** An object of a file with its defaults, as the API server would store it. */
function parsed({ file, value, place }: Document, { kind, spec }: KindDefinition): KindObject<unknown, unknown> {
  const { metadata } = value as { metadata?: { name?: string } };
  const result = spec.safeParse(value['spec']);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new CommandError(
      `${file}: the ${kind} that begins in line ${place.line} is not valid: spec.${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; kubectl monoroot lint ${file} tells all`,
    );
  }
  return { apiVersion, kind, metadata: { name: '', ...metadata }, spec: result.data };
}

/** Makes this number of containers. Each runs an earlier version well and follows the default version. */
export function madeUpContainers(distribution: ImageDistribution, count: number): HostedContainer[] {
  const { os } = parseReference(distribution.spec.image);
  const before = `${os}:before`;
  const time = '2000-01-01T00:00:00Z';
  const spec = hostedContainerDefinition.spec.parse({ image: os, command: ['made-up'] }) as HostedContainer['spec'];
  const width = String(count).length;
  return Array.from({ length: count }, (_, i) => ({
    apiVersion,
    kind: 'HostedContainer' as const,
    metadata: { namespace: 'made-up', name: `c-${String(i + 1).padStart(width, '0')}` },
    spec,
    status: {
      image: before,
      lastKnownGoodImage: before,
      assignedImage: before,
      conditions: [
        { type: 'Ready', status: 'True' as const, reason: 'Running', message: '', lastTransitionTime: time },
      ],
    },
  }));
}

/** The same distribution for containers that have no labels. */
export function withoutSelector(distribution: ImageDistribution): ImageDistribution {
  const { existingContainers } = distribution.spec.activate;
  if (!existingContainers) return distribution;
  const { selector: _selector, ...rest } = existingContainers;
  const activate = { ...distribution.spec.activate, existingContainers: rest };
  return { ...distribution, spec: { ...distribution.spec, activate } };
}

import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { parseReference } from '../../api/images.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import type { Resource } from '../../kube/resources.ts';
import { ApiError } from '../../runtime/errors.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { CommandError } from '../command.ts';
import type { KindName, ObjectRef } from '../names.ts';

/** All that the plugin looks at, as of about one moment. */
export interface Scene {
  osImages: readonly OSImage[];
  distributions: readonly ImageDistribution[];
  nodeStores: readonly NodeStore[];
  containers: readonly HostedContainer[];
  /** Kinds that the user may not list: what they would tell is missing. */
  unseen: readonly string[];
}

export type MonorootObject = HostedContainer | ImageDistribution | OSImage | NodeStore;

/** Reads the fleet; the containers of one namespace, or of all when it is undefined. What the user may not read is left out and named. */
export async function readScene(client: Client, namespace: string | undefined): Promise<Scene> {
  const unseen: string[] = [];
  const list = async <T extends KubeObject>(resource: Resource<T>, within?: string): Promise<T[]> => {
    try {
      return await client.list(resource, within === undefined ? {} : { namespace: within });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 403) throw error;
      unseen.push(resource.plural);
      return [];
    }
  };
  const [images, distributions, stores, containers] = await Promise.all([
    list(osImages),
    list(imageDistributions),
    list(nodeStores),
    list(hostedContainers, namespace),
  ]);
  return { osImages: images, distributions, nodeStores: stores, containers, unseen: unseen.sort() };
}

/** Says, once, what the user may not list: what is shown is not all there is. */
export function warnOfUnseen({ unseen }: Scene, context: { err: { line: (text: string) => void } }): void {
  if (unseen.length === 0 || told.has(context)) return;
  told.add(context);
  context.err.line(`You may not list ${unseen.join(', ')}: what they would tell is missing`);
}
/** A view that is watched is read again and again. */
const told = new WeakSet<object>();

/** The objects of a kind in a scene. */
export function objectsOf(scene: Scene, kind: KindName): readonly MonorootObject[] {
  switch (kind) {
    case 'HostedContainer':
      return scene.containers;
    case 'ImageDistribution':
      return scene.distributions;
    case 'OSImage':
      return scene.osImages;
    case 'NodeStore':
      return scene.nodeStores;
  }
}

/** Where a bare name is looked for first. */
const order: readonly KindName[] = ['HostedContainer', 'ImageDistribution', 'OSImage', 'NodeStore'];

/** The object that is meant; a bare name is looked for in all kinds. Throws an error for users when there is none. */
export function findObject(scene: Scene, { kind, name }: ObjectRef, namespace: string): MonorootObject {
  for (const one of kind === undefined ? order : [kind]) {
    const found = objectsOf(scene, one).find(
      ({ metadata }) => metadata.name === name && (one !== 'HostedContainer' || metadata.namespace === namespace),
    );
    if (found) return found;
  }
  const hidden = scene.unseen.length === 0 ? '' : `; you may not list ${scene.unseen.join(', ')}`;
  const where =
    kind === undefined || kind === 'HostedContainer' ? ` (namespace ${namespace}; another one with -n)` : '';
  throw new CommandError(`There is no ${kind ?? 'object'} ${name}${where}${hidden}`);
}

/** The image that a container is meant to run: what spec names, else what it follows. */
export function wantedImage({ spec, status }: HostedContainer, scene: Pick<Scene, 'osImages'>): string | undefined {
  const { os, version } = parseReference(spec.image);
  if (version !== undefined) return spec.image;
  if (status?.assignedImage !== undefined) return status.assignedImage;
  const chosen = scene.osImages.find((image) => image.spec.os === os && image.status?.defaultVersion === true);
  return chosen && `${os}:${chosen.spec.version}`;
}

/** `hostedcontainer/web`, as kubectl prints it. */
export const labelOf = ({ kind, metadata }: MonorootObject): string => `${kind.toLowerCase()}/${metadata.name}`;

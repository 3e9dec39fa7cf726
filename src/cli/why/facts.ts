import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { imageName, parseReference } from '../../api/images.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { MonorootObject, Scene } from '../scene/scene.ts';
import { wantedImage } from '../scene/scene.ts';

/** What was asked for, in a few words. */
export function askedOf(object: MonorootObject, scene: Scene): string {
  switch (object.kind) {
    case 'HostedContainer':
      return containerAsks(object as HostedContainer, scene);
    case 'ImageDistribution':
      return distributionAsks(object as ImageDistribution);
    case 'OSImage':
      return imageAsks(object as OSImage);
    default:
      return `${(object as NodeStore).spec.images.length} images on ${object.metadata.name}`;
  }
}

/** What runs, or can be used, meanwhile. */
export function runsOf(object: MonorootObject, scene: Scene): string {
  switch (object.kind) {
    case 'HostedContainer':
      return containerRuns(object as HostedContainer);
    case 'ImageDistribution':
      return imageRuns((object as ImageDistribution).spec.image, scene);
    case 'OSImage':
      return imageRuns(imageName((object as OSImage).spec), scene);
    default:
      return nodeHas(object as NodeStore);
  }
}

function containerAsks(container: HostedContainer, scene: Scene): string {
  const { spec } = container;
  const wanted = wantedImage(container, scene);
  if (spec.suspend || spec.replicas === 0) return `no Pod: it is suspended (${spec.image})`;
  return spec.image === wanted ? spec.image : `${spec.image}, which is ${wanted ?? 'no version yet'}`;
}

function distributionAsks({ spec, status }: ImageDistribution): string {
  const moved = spec.activate.existingContainers ? ', and for containers that follow it' : '';
  const chosen = spec.activate.newContainers ? `, as the default version${moved}` : '';
  return `${spec.image} on ${status?.nodes?.desired ?? 'the selected'} nodes${chosen}`;
}

function imageAsks({ spec }: OSImage): string {
  const built = spec.source.build ? ['built'] : [];
  return [imageName(spec), ...built, ...(spec.verification ? ['tested'] : []), 'stored'].join(', ');
}

function containerRuns({ status }: HostedContainer): string {
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.reason === 'Suspended' || status?.replicas === 0 || status?.image === undefined) return 'nothing';
  const where = status.nodeName === undefined ? '' : ` on ${status.nodeName}`;
  const state = ready?.status === 'True' ? 'Ready' : `not Ready (${ready?.reason ?? 'unknown'})`;
  return `${status.image}${where}, ${state}`;
}

function imageRuns(image: string, { osImages, nodeStores, containers }: Scene): string {
  const { os } = parseReference(image);
  const chosen = osImages.find(({ spec, status }) => spec.os === os && status?.defaultVersion === true);
  const has = ({ status }: NodeStore) => status?.images?.some((it) => imageName(it) === image && it.state === 'Ready');
  const running = containers.filter(({ status }) => status?.image === image).length;
  const fallback = chosen ? `the default version is ${imageName(chosen.spec)}` : `${os} has no default version`;
  return `${image} is on ${nodeStores.filter(has).length} nodes and runs in ${running} containers; ${fallback}`;
}

function nodeHas({ spec, status }: NodeStore): string {
  const ready = (status?.images ?? []).filter(({ state }) => state === 'Ready').length;
  return `${ready} images are stored and can be used, ${spec.images.length} are wanted`;
}

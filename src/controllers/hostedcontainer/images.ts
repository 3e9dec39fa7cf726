import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { parseReference } from '../../api/images.ts';
import { usableImage } from '../../pod/usable-image.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import { condemnation } from '../images.ts';
import { hasRunWell } from './last-known-good.ts';
import type { Catalog } from './observed.ts';

/** Why a container may not run an image. */
export interface Refusal {
  reason: 'UnknownImage' | 'ImageNotReady' | 'ImageCondemned';
  message: string;
  /** Something is at work on it: no person needs to act. */
  waits?: boolean;
}

/** The image of that name that containers may use, or why there is none; `field` is where a person has named it. */
export function lookUp(
  catalog: Pick<Catalog, 'find'>,
  os: string,
  version: string,
  field = 'spec.image',
): UsableImage | Refusal {
  const object = catalog.find(os, version);
  if (!object)
    return { reason: 'UnknownImage', message: `There is no OSImage ${os}.${version}: create it, or change ${field}` };
  const image = usableImage(object);
  if (image) return image;
  const ready = findCondition(object.status?.conditions, 'Ready');
  const why = ready ? `${ready.reason}: ${ready.message}` : 'The operator has not looked at it yet';
  const message = `OSImage ${os}.${version} is not Ready. ${why}`;
  return { reason: 'ImageNotReady', message, waits: isUnderWay(object) };
}

/** The operator or an agent is at work on the image, or is about to be. */
const isUnderWay = ({ metadata, status }: OSImage): boolean =>
  !findCondition(status?.conditions, 'Ready') ||
  (status?.observedGeneration ?? 0) < (metadata.generation ?? 0) ||
  isTrue(status?.conditions, 'Reconciling');

/** The usable image named `<os>:<version>`, if it is usable. */
export function usableByName(catalog: Pick<Catalog, 'find'>, name: string | undefined): UsableImage | undefined {
  const { os, version } = parseReference(name ?? '');
  if (version === undefined) return undefined;
  const found = lookUp(catalog, os, version);
  return 'digest' in found ? found : undefined;
}

/**
 * The one answer to whether a container may run an image: it is usable, and not condemned, unless the container has run just
 * these bytes well, or runs them and has nothing to go back to.
 */
export function permitted(
  container: HostedContainer,
  catalog: Pick<Catalog, 'find'>,
  os: string,
  version: string,
): UsableImage | Refusal {
  const object = catalog.find(os, version);
  const evidence = condemnation(object);
  if (!object || evidence === undefined || hasRunWell(container.status ?? {}, object))
    return lookUp(catalog, os, version);
  const message = `OSImage ${os}.${version} is condemned: ${evidence}. Name another version, or remove its annotation ${annotations.condemned}`;
  return { reason: 'ImageCondemned', message };
}

/** The image named `<os>:<version>`, if the container may run it. */
export function permittedByName(
  container: HostedContainer,
  catalog: Pick<Catalog, 'find'>,
  name: string | undefined,
): UsableImage | undefined {
  const { os, version } = parseReference(name ?? '');
  if (version === undefined) return undefined;
  const found = permitted(container, catalog, os, version);
  return 'digest' in found ? found : undefined;
}

/** The image with the stored software that the container mounts besides; what is not usable yet has no digest. */
export function withSoftware(
  { spec }: HostedContainer,
  catalog: Pick<Catalog, 'find'>,
  image: UsableImage,
): UsableImage {
  const software = (spec.software ?? []).flatMap(({ name, osImage }) => {
    if (osImage === undefined) return [];
    const { os, version = '' } = parseReference(osImage);
    return [{ name, os, version, digest: usableByName(catalog, osImage)?.digest ?? '' }];
  });
  return software.length > 0 ? { ...image, software } : image;
}

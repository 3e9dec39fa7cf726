import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageName, parseReference, usableImage } from '../../pod/image.ts';
import type { UsableImage } from '../../pod/image.ts';
import type { Catalog } from './observed.ts';

/** Which image a container shall run, before past failures are looked at. */
export interface Resolution {
  /** What to run: with a status of False what runs already; unset when there is nothing that could be run. */
  image?: UsableImage;
  status: 'True' | 'False';
  reason: 'Exact' | 'DefaultVersion' | 'FallbackToDefault' | 'UnknownImage' | 'ImageNotReady' | 'NoDefaultVersion';
  message: string;
}

/** The image of that name that containers may use, or why there is none. */
export function lookUp(
  catalog: Catalog,
  os: string,
  version: string,
): UsableImage | Pick<Resolution, 'reason' | 'message'> {
  const object = catalog.find(os, version);
  if (!object)
    return { reason: 'UnknownImage', message: `There is no OSImage ${os}.${version}: create it, or change spec.image` };
  const image = usableImage(object);
  if (image) return image;
  const ready = object.status?.conditions?.find((c) => c.type === 'Ready');
  const why = ready ? `${ready.reason}: ${ready.message}` : 'It has not been looked at yet';
  return { reason: 'ImageNotReady', message: `OSImage ${os}.${version} is not Ready. ${why}` };
}

/** The usable image named `<os>:<version>`, if it is usable. */
export function usableByName(catalog: Catalog, name: string | undefined): UsableImage | undefined {
  const { os, version } = parseReference(name ?? '');
  if (version === undefined) return undefined;
  const found = lookUp(catalog, os, version);
  return 'digest' in found ? found : undefined;
}

/**
 * Applies the rules of resolution. A new container falls back to the default version when its policy allows; one that has
 * run keeps what it has, for an image that disappears must stop nobody.
 */
export function resolve(container: HostedContainer, catalog: Catalog): Resolution {
  const { os, version } = parseReference(container.spec.image);
  return version === undefined
    ? resolveFollower(container, catalog, os)
    : resolveFixed(container, catalog, os, version);
}

function resolveFollower(container: HostedContainer, catalog: Catalog, os: string): Resolution {
  const assigned = parseReference(container.status?.assignedImage ?? '');
  const version = assigned.os === os ? assigned.version : catalog.defaultVersion(os);
  if (version === undefined) {
    return {
      status: 'False',
      reason: 'NoDefaultVersion',
      message: `${os} has no default version: activate one with an ImageDistribution (spec.activate.newContainers), or name a version`,
    };
  }
  const found = lookUp(catalog, os, version);
  if (!('digest' in found)) return { status: 'False', ...found };
  return {
    status: 'True',
    reason: 'DefaultVersion',
    image: found,
    message: `Follows the default version of ${os}: ${version}`,
  };
}

function resolveFixed(container: HostedContainer, catalog: Catalog, os: string, version: string): Resolution {
  const found = lookUp(catalog, os, version);
  if ('digest' in found)
    return { status: 'True', reason: 'Exact', image: found, message: `${imageName(found)} is Ready` };
  const running = usableByName(catalog, container.status?.image);
  return (
    fallBack(container, catalog, os, found.message) ?? { status: 'False', ...found, ...(running && { image: running }) }
  );
}

function fallBack(container: HostedContainer, catalog: Catalog, os: string, why: string): Resolution | undefined {
  if (container.spec.imagePolicy !== 'FallbackToDefault') return undefined;
  const fellBackBefore =
    container.status?.conditions?.find((c) => c.type === 'ImageResolved')?.reason === 'FallbackToDefault';
  const ran = container.status?.image;
  if (ran !== undefined && !fellBackBefore) return undefined;
  // Once fallen back it stays on that version: another default is no reason to restart it.
  const name = ran ?? `${os}:${catalog.defaultVersion(os) ?? ''}`;
  const image = usableByName(catalog, name);
  if (!image) return undefined;
  const message = `${why}. Until it is Ready, the default version ${imageName(image)} runs`;
  return { status: 'True', reason: 'FallbackToDefault', image, message };
}

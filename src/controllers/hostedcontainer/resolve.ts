import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import { imageName, parseReference, usableImage } from '../../pod/image.ts';
import type { UsableImage } from '../../pod/image.ts';
import { condemnation } from '../catalog.ts';
import type { Catalog } from './observed.ts';

/** Which image a container shall run, before past failures are looked at. */
export interface Resolution {
  /** What to run: with a status of False what runs already; unset when there is nothing that could be run. */
  image?: UsableImage;
  status: 'True' | 'False';
  reason:
    | 'Exact'
    | 'DefaultVersion'
    | 'FallbackToDefault'
    | 'UnknownImage'
    | 'ImageNotReady'
    | 'ImageCondemned'
    | 'NoDefaultVersion';
  message: string;
}

/** The image of that name that containers may use, or why there is none. */
export function lookUp(
  catalog: Pick<Catalog, 'find'>,
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
export function usableByName(catalog: Pick<Catalog, 'find'>, name: string | undefined): UsableImage | undefined {
  const { os, version } = parseReference(name ?? '');
  if (version === undefined) return undefined;
  const found = lookUp(catalog, os, version);
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
  const current = catalog.defaultVersion(os);
  const assigned = parseReference(container.status?.assignedImage ?? '');
  const version = assigned.os === os ? assigned.version : current;
  if (version === undefined) {
    return {
      status: 'False',
      reason: 'NoDefaultVersion',
      message: `${os} has no default version: activate one with an ImageDistribution (spec.activate.newContainers), or name a version`,
    };
  }
  const refusal = condemnedFor(container, catalog, os, version);
  const found = refusal ?? lookUp(catalog, os, version);
  const instead = refusal && (wayBack(container, catalog) ?? usableByName(catalog, `${os}:${current ?? ''}`));
  const image = 'digest' in found ? found : instead;
  if (!image || (refusal && condemnedFor(container, catalog, os, image.version)))
    return { status: 'False', ...(found as Refusal) };
  return { status: 'True', reason: 'DefaultVersion', image, message: following(container, catalog, image, current) };
}

/** The same text for all that wait, and until they move: a rollout to thousands must not write to those whose turn it is not. */
function following(
  container: HostedContainer,
  catalog: Catalog,
  { os, version }: UsableImage,
  current?: string,
): string {
  if (current === undefined || current === version) return `Follows the default version of ${os}: ${version}`;
  const mover = catalog.movedBy(container);
  const how = mover
    ? `ImageDistribution ${mover} moves it there; what the rollout waits for is in its condition RolledOut`
    : `No ImageDistribution moves it there (spec.activate.existingContainers)`;
  return `Follows the default version of ${os}, which is ${current}, and stays at ${version} until it is moved. ${how}`;
}

function resolveFixed(container: HostedContainer, catalog: Catalog, os: string, version: string): Resolution {
  const refusal = condemnedFor(container, catalog, os, version);
  const found = refusal ?? lookUp(catalog, os, version);
  if ('digest' in found)
    return { status: 'True', reason: 'Exact', image: found, message: `${imageName(found)} is Ready` };
  const good = refusal && !fellBackBefore(container) && wayBack(container, catalog);
  if (good) return { status: 'False', ...found, image: good };
  const running = usableByName(catalog, container.status?.image);
  return (
    fallBack(container, catalog, os, found.message) ?? { status: 'False', ...found, ...(running && { image: running }) }
  );
}

type Refusal = Pick<Resolution, 'reason' | 'message'>;

/**
 * Why the container may not go to an image: it is condemned, and the container has never run it well. One that has may start
 * on it again, and one that runs it and has nothing to go back to keeps it.
 */
function condemnedFor(container: HostedContainer, catalog: Catalog, os: string, version: string): Refusal | undefined {
  const evidence = condemnation(catalog.find(os, version));
  const { lastKnownGoodImage, image } = container.status ?? {};
  if (evidence === undefined || (lastKnownGoodImage ?? image) === `${os}:${version}`) return undefined;
  const message = `OSImage ${os}.${version} is condemned: ${evidence}. Name another version, or remove its annotation ${annotations.condemned}`;
  return { reason: 'ImageCondemned', message };
}

const wayBack = ({ status }: HostedContainer, catalog: Catalog): UsableImage | undefined =>
  usableByName(catalog, status?.lastKnownGoodImage);

const fellBackBefore = ({ status }: HostedContainer): boolean =>
  status?.conditions?.find((c) => c.type === 'ImageResolved')?.reason === 'FallbackToDefault';

function fallBack(container: HostedContainer, catalog: Catalog, os: string, why: string): Resolution | undefined {
  if (container.spec.imagePolicy !== 'FallbackToDefault') return undefined;
  const ran = container.status?.image;
  if (ran !== undefined && !fellBackBefore(container)) return undefined;
  // Once fallen back it stays on that version: another default is no reason to restart it.
  const name = ran ?? `${os}:${catalog.defaultVersion(os) ?? ''}`;
  const image = usableByName(catalog, name);
  if (!image || condemnedFor(container, catalog, image.os, image.version)) return undefined;
  const message = `${why}. Until it is Ready, the default version ${imageName(image)} runs`;
  return { status: 'True', reason: 'FallbackToDefault', image, message };
}

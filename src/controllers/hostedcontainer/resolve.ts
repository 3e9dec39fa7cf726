import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageName, parseReference } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { permitted, permittedByName } from './images.ts';
import type { Catalog } from './observed.ts';

/** Which image a container asks for, before past failures are looked at. */
export interface Resolution {
  /** What to run; unset when `status` is False: what runs then is for `keptImage` to say. */
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
  /** Of a reason that depends: something is at work on it. */
  waits?: boolean;
}

/** Applies the rules of resolution. A new container falls back to the default version when its policy allows. */
export function resolve(container: HostedContainer, catalog: Catalog): Resolution {
  const { os, version } = parseReference(container.spec.image);
  return version === undefined
    ? resolveFollower(container, catalog, os)
    : resolveFixed(container, catalog, os, version);
}

function resolveFollower(container: HostedContainer, catalog: Catalog, os: string): Resolution {
  const current = catalog.defaultVersion(os);
  const version = versionOfFollower(container, os) ?? current;
  if (version === undefined) return noDefaultVersion(catalog, os);
  const found = permitted(container, catalog, os, version);
  if (!('digest' in found)) return { status: 'False', ...found };
  const message = following(container, catalog, found, current);
  return { status: 'True', reason: 'DefaultVersion', image: found, message };
}

/** Following begins where one is: what it was assigned, else what it runs, until a rollout moves it. */
function versionOfFollower({ status = {} }: HostedContainer, os: string): string | undefined {
  const { assignedImage, image, lastKnownGoodImage } = status;
  return [assignedImage, image, lastKnownGoodImage]
    .map((name) => parseReference(name ?? ''))
    .find((it) => it.os === os && it.version !== undefined)?.version;
}

function noDefaultVersion(catalog: Catalog, os: string): Resolution {
  const pending = catalog.pendingDefault(os);
  const message = pending
    ? `${os} has no default version yet. ${pending.message}`
    : `${os} has no default version: activate one with an ImageDistribution (spec.activate.newContainers), or name a version`;
  return { status: 'False', reason: 'NoDefaultVersion', message, waits: pending?.waits ?? false };
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
  const found = permitted(container, catalog, os, version);
  if ('digest' in found)
    return { status: 'True', reason: 'Exact', image: found, message: `${imageName(found)} is Ready` };
  return fallBack(container, catalog, os, found.message) ?? { status: 'False', ...found };
}

/** It runs the default version in place of what it asks for. An earlier version of the operator remembered it by the reason alone. */
const fellBackBefore = ({ status }: HostedContainer): boolean =>
  status?.fallbackImage !== undefined ||
  findCondition(status?.conditions, 'ImageResolved')?.reason === 'FallbackToDefault';

function fallBack(container: HostedContainer, catalog: Catalog, os: string, why: string): Resolution | undefined {
  if (container.spec.imagePolicy !== 'FallbackToDefault') return undefined;
  const ran = container.status?.image;
  if (ran !== undefined && !fellBackBefore(container)) return undefined;
  // Once fallen back it stays on that version: another default is no reason to restart it.
  const image = permittedByName(container, catalog, ran ?? `${os}:${catalog.defaultVersion(os) ?? ''}`);
  if (!image) return undefined;
  const message = `${why}. Until it is Ready, the default version ${imageName(image)} runs`;
  return { status: 'True', reason: 'FallbackToDefault', image, message };
}

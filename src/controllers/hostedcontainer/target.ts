import type { FailedImage, HostedContainer, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import { fingerprint, podHash } from '../../pod/fingerprint.ts';
import { imageName, parseReference } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Observed } from './observed.ts';
import { isReady } from './outcome.ts';
import { findFailure, newest } from './history.ts';
import { permitted, permittedByName, withSoftware } from './images.ts';
import { isLastKnownGood, usableBytes, wayBack } from './last-known-good.ts';
import type { Bytes } from './last-known-good.ts';
import { resolve } from './resolve.ts';
import type { Resolution } from './resolve.ts';

/** The image that the container should run: what its spec asks for, unless that cannot be had or has failed before. */
export interface Target {
  resolution: Resolution;
  /** What it should run; unset: nothing to run, keep what there is. */
  image?: UsableImage;
  /** It is not known to be good: its Pod is judged, and its failure has consequences. */
  isAttempt: boolean;
  /** The failure because of which the last known good runs instead of what is asked for. */
  blockedBy?: FailedImage;
  /** The failure of `image` itself, when there is nothing to go back to. */
  failedWithoutWayBack?: FailedImage;
  fingerprint: string;
  podHash: string;
}

export function chooseTarget(o: Observed): Target {
  const asked = resolve(o.container, o.catalog);
  if (asked.image) return targetFor(o, asked, asked.image);
  const kept = keptImage(o);
  if (!kept) return { resolution: asked, isAttempt: false, fingerprint: '', podHash: '' };
  if (!isFollower(o) || parseReference(o.container.spec.image).os !== kept.os) return targetFor(o, asked, kept);
  // A follower whose version was withdrawn is assigned what it keeps: it asks for no version itself.
  const resolution = resolve(withAssigned(o.container, kept), o.catalog);
  return resolution.image ? targetFor(o, resolution, resolution.image) : targetFor(o, asked, kept);
}

const withAssigned = (container: HostedContainer, image: UsableImage): HostedContainer => ({
  ...container,
  status: { ...container.status, assignedImage: imageName(image) },
});

function targetFor(o: Observed, resolution: Resolution, asked: UsableImage): Target {
  const { container, catalog } = o;
  const status = container.status ?? {};
  const target = withSoftware(container, catalog, asked);
  const failure = findFailure(status, fingerprint(container, target));
  const lastGood = wayBack(container, catalog);
  const good = lastGood && withSoftware(container, catalog, lastGood);
  const goBack = failure !== undefined && good !== undefined && !isSame(good, target);
  const image = goBack ? good : target;
  return {
    resolution,
    image,
    isAttempt: !goBack && !isLastKnownGood(status, image),
    fingerprint: fingerprint(container, image),
    podHash: podHash(container, image),
    ...(goBack ? { blockedBy: failure } : failure && { failedWithoutWayBack: failure }),
  };
}

const isSame = (a: UsableImage, b: UsableImage): boolean => imageName(a) === imageName(b) && a.digest === b.digest;

/**
 * What a container runs whose image cannot be had: what its Pod runs, unless it must leave that; without a Pod its last known
 * good. Undefined: its Pod stays as it is, or there is nothing that it could run.
 */
export function keptImage({ container, catalog, pod }: Observed): UsableImage | undefined {
  const good = wayBack(container, catalog);
  const runs = pod && bytesOf(pod);
  if (runs) {
    const { os, version = '' } = parseReference(runs.image);
    const found = permitted(container, catalog, os, version);
    const mustLeave = 'reason' in found && found.reason === 'ImageCondemned';
    if (mustLeave) return good;
    // No one can judge an image that is withdrawn: while it serves it stays, and if it does not, what is known to be good runs.
    return usableBytes(catalog, runs) ?? (isReady(pod) ? undefined : good);
  }
  const { os, version } = parseReference(container.spec.image);
  const fallback = version === undefined ? `${os}:${catalog.defaultVersion(os) ?? ''}` : undefined;
  return (
    good ??
    permittedByName(container, catalog, container.status?.image) ??
    permittedByName(container, catalog, fallback)
  );
}

/** What a Pod runs that has not ended. */
function bytesOf({ metadata, status }: Pod): Bytes | undefined {
  const { [annotations.image]: image, [annotations.digest]: digest } = metadata.annotations ?? {};
  const ended = status?.phase === 'Failed' || status?.phase === 'Succeeded';
  return image === undefined || ended ? undefined : { image, digest };
}

/** Is it the Pod of this target? An attempt also wants a fresh Pod after `retryToken` changed. */
export function matchesTarget(pod: Pod, target: Target): boolean {
  const marks = pod.metadata.annotations ?? {};
  return (
    marks[annotations.podHash] === target.podHash &&
    (!target.isAttempt || marks[annotations.fingerprint] === target.fingerprint)
  );
}

/** `spec.image` still names the failed image, and it is for the operator to write the good one there. */
export function mustRevertSpec(o: Observed, target: Target): boolean {
  const last = newest(o.container.status ?? {});
  return (
    target.blockedBy !== undefined &&
    last?.outcome === 'Failed' &&
    o.container.spec.image === last.image &&
    o.container.spec.upgrade.onFailure === 'RevertSpec'
  );
}

/** The container follows the default version: its version is in status, where no GitOps tool undoes it. */
export const isFollower = (o: Observed): boolean => parseReference(o.container.spec.image).version === undefined;

/**
 * A follower is assigned the default version of the moment when it is first seen, and keeps it until a rollout moves it. One
 * that goes back to its last known good is assigned that, so that no later edit takes it to the failed one again.
 */
export function assign(status: HostedContainerStatus, o: Observed, target: Target): HostedContainerStatus {
  if (!isFollower(o)) return withoutAssignment(status);
  return target.image ? { ...status, assignedImage: imageName(target.image) } : status;
}

function withoutAssignment(status: HostedContainerStatus): HostedContainerStatus {
  const {
    assignedImage: _image,
    assignedTime: _time,
    assignedRetryToken: _token,
    assignedWhileUnavailable: _unavailable,
    assignedBack: _back,
    ...rest
  } = status;
  return rest;
}

/** It names a version now; what a rollout has written is not the operator's alone to remove. */
export const mustUnassign = (o: Observed): boolean => !isFollower(o) && o.container.status?.assignedTime !== undefined;

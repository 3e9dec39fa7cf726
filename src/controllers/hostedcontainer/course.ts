import type { FailedImage, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import { fingerprint, podHash } from '../../pod/fingerprint.ts';
import { imageName, parseReference } from '../../pod/image.ts';
import type { UsableImage } from '../../pod/image.ts';
import type { Pod } from '../../pod/types.ts';
import type { Observed } from './observed.ts';
import { findFailure, newest } from './record.ts';
import { resolve, usableByName, withSoftware } from './resolve.ts';
import type { Resolution } from './resolve.ts';

/** Where the container is going, after what it asks for has been held against what failed before. */
export interface Course {
  resolution: Resolution;
  /** What it shall run; unset: nothing to run, keep what there is. */
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

export function setCourse(o: Observed): Course {
  const status = o.container.status ?? {};
  const resolution = resolve(o.container, o.catalog);
  const target = resolution.image && withSoftware(o.container, o.catalog, resolution.image);
  if (!target) return { resolution, isAttempt: false, fingerprint: '', podHash: '' };

  const failure = findFailure(status, fingerprint(o.container, target));
  const lastGood = usableByName(o.catalog, status.lastKnownGoodImage);
  const good = lastGood && withSoftware(o.container, o.catalog, lastGood);
  const goBack = failure !== undefined && good !== undefined && imageName(good) !== imageName(target);
  const image = goBack ? good : target;
  return {
    resolution,
    image,
    isAttempt: imageName(image) !== status.lastKnownGoodImage,
    fingerprint: fingerprint(o.container, image),
    podHash: podHash(o.container, image),
    ...(goBack ? { blockedBy: failure } : failure && { failedWithoutWayBack: failure }),
  };
}

/** Is it the Pod that the course asks for? An attempt also wants a fresh Pod after `retryToken` changed. */
export function isOnCourse(pod: Pod, course: Course): boolean {
  const marks = pod.metadata.annotations ?? {};
  return (
    marks[annotations.podHash] === course.podHash &&
    (!course.isAttempt || marks[annotations.fingerprint] === course.fingerprint)
  );
}

/** `spec.image` still names the failed image, and it is for the operator to write the good one there. */
export function mustRevertSpec(o: Observed, course: Course): boolean {
  const last = newest(o.container.status ?? {});
  return (
    course.blockedBy !== undefined &&
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
export function assign(status: HostedContainerStatus, o: Observed, course: Course): HostedContainerStatus {
  const { assignedImage: _image, assignedTime: _time, assignedRetryToken: _token, ...rest } = status;
  if (!isFollower(o)) return rest;
  return course.image ? { ...status, assignedImage: imageName(course.image) } : status;
}

/** It names a version now; what a rollout has written is not the operator's alone to remove. */
export const mustUnassign = (o: Observed): boolean => !isFollower(o) && o.container.status?.assignedTime !== undefined;

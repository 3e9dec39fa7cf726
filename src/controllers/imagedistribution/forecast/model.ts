import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { imageName } from '../../../api/images.ts';
import { fingerprint } from '../../../pod/fingerprint.ts';
import type { UsableImage } from '../../../pod/usable-image.ts';
import type { Condition } from '../../../runtime/conditions.ts';
import type { Assignment } from '../rollout/observed.ts';

/** What the status of a container says after each thing that can happen to it: as its own controller writes it, reduced to what a rollout reads. */

/** A rollout has moved it; it serves again when it arrives. One that is suspended, or is back on what it runs, is not stopped. */
export function moved(container: HostedContainer, assignment: Assignment, now: Date): HostedContainer {
  const { image, time, retryToken, whileUnavailable = false, back = false } = assignment;
  const assigned = withStatus(container, {
    assignedImage: image,
    assignedTime: time,
    assignedRetryToken: retryToken,
    assignedWhileUnavailable: whileUnavailable,
    assignedBack: back,
  });
  const stays = container.status?.lastKnownGoodImage === image;
  return stays ? ready(assigned, isReady(container), since(container, now)) : ready(assigned, false, now);
}

/** It has run the image well for `minReadySeconds`. */
export function arrived(container: HostedContainer, image: UsableImage, now: Date): HostedContainer {
  const name = imageName(image);
  const startTime = container.status?.assignedTime ?? now.toISOString();
  const good = withStatus(container, {
    image: name,
    digest: image.digest,
    lastKnownGoodImage: name,
    lastKnownGoodDigest: image.digest,
    restarts: 0,
    history: [{ image: name, startTime, outcome: 'Succeeded' as const }, ...(container.status?.history ?? [])].slice(
      0,
      10,
    ),
  });
  return ready(good, true, new Date(now.getTime() - container.spec.upgrade.minReadySeconds * 1000));
}

/** It has failed with the image, and goes back to what it ran well before. `shape`: the image with the software of the container. */
export function failed(container: HostedContainer, shape: UsableImage, now: Date): HostedContainer {
  const { status = {} } = container;
  const failure = {
    image: imageName(shape),
    digest: shape.digest,
    fingerprint: fingerprint(container, shape),
    reason: 'Simulated',
    message: 'The simulation lets it fail',
    time: now.toISOString(),
    attempts: 1,
    ...(status.assignedWhileUnavailable === true && { unavailableBefore: true }),
  };
  const { lastKnownGoodImage: good } = status;
  const back = withStatus(container, {
    failedImages: [failure, ...(status.failedImages ?? [])].slice(0, 10),
    ...(good !== undefined && { assignedImage: good }),
  });
  return ready(back, false, now);
}

/** It serves again on what it last ran well. */
export function recovered(container: HostedContainer, now: Date): HostedContainer {
  const { lastKnownGoodImage: image } = container.status ?? {};
  return ready(image === undefined ? container : withStatus(container, { image }), true, now);
}

export const isReady = ({ status }: HostedContainer): boolean =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

const since = ({ status }: HostedContainer, now: Date): Date =>
  new Date(status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? now);

const withStatus = (container: HostedContainer, status: HostedContainer['status']): HostedContainer => ({
  ...container,
  status: { ...container.status, ...status },
});

/** Ready, or not, since a time; what the container said of an upgrade before is over. */
function ready(container: HostedContainer, is: boolean, time: Date): HostedContainer {
  const others = (container.status?.conditions ?? []).filter(({ type }) => type !== 'Ready' && type !== 'Upgraded');
  const condition: Condition = {
    type: 'Ready',
    status: is ? 'True' : 'False',
    reason: is ? 'Running' : 'Starting',
    message: '',
    lastTransitionTime: time.toISOString(),
  };
  return withStatus(container, { conditions: [...others, condition] });
}

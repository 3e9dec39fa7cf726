import { createHash } from 'node:crypto';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import { claimNameOf } from './claim.ts';
import { isDirect } from './mode.ts';
import type { UsableImage } from './usable-image.ts';
import { imageName, parseReference } from '../api/images.ts';
import { effectiveWritable } from './volumes.ts';

/** Everything that shapes the container: what the user asks for and what the image says, not how this operator renders it. */
function shape(container: HostedContainer, image: UsableImage): object {
  // What follows from the list is left out: another field of spec shapes the container unless named here.
  const {
    image: _image,
    imagePolicy: _policy,
    upgrade: _upgrade,
    restartToken: _token,
    suspend: _suspend,
    replicas: _replicas,
    mounts: _mounts,
    ...asked
  } = container.spec;
  return {
    ...asked,
    ...(isDirect(container) && { mounts: 'Direct' }),
    // Where the data is, not what becomes of it or how large it was asked to be.
    data: { claimName: claimNameOf(container), ephemeral: asked.data?.ephemeral },
    digest: image.digest,
    defaults: image.defaults,
    hasMountScript: image.hasMountScript,
    writable: effectiveWritable(container, image),
    softwareDigests: (image.software ?? []).map(({ name, digest }) => ({ name, digest })),
  };
}

/**
 * What a failed attempt is remembered by (16 hex digits): the same bytes in the same shape are not tried twice, unless
 * `upgrade.retryToken` changes, or the retry token of the rollout that moves a container which follows the default version.
 */
export const fingerprint = (container: HostedContainer, image: UsableImage): string =>
  hash({
    ...shape(container, image),
    retryToken: container.spec.upgrade.retryToken,
    ...(parseReference(container.spec.image).version === undefined && {
      rolloutRetryToken: container.status?.assignedRetryToken,
    }),
  });

/**
 * What distinguishes a Pod (16 hex digits): another value means that the Pod must be replaced. It does not depend on how
 * this operator renders a Pod, so that a new operator restarts no one.
 */
export const podHash = (container: HostedContainer, image: UsableImage): string =>
  hash({ ...shape(container, image), name: imageName(image), restartToken: container.spec.restartToken });

/** 16 hex digits that are the same for the same content, in whatever order its fields are. */
export const hash = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(canonical(value)))
    .digest('hex')
    .slice(0, 16);

/**
 * The value as it is hashed. The order in which somebody wrote the fields does not matter. What is empty or off is left out:
 * a field that a later version adds must change no hash of those who do not use it, or its roll-out restarts everybody and
 * forgets what failed.
 */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value)
    .map(([key, child]) => [key, canonical(child)] as const)
    .filter(([, child]) => !isNothing(child))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members);
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === false ||
  value === '' ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

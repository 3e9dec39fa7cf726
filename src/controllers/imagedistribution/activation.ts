import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { annotations } from '../../api/names.ts';
import { imageObjectName, parseReference } from '../../api/images.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import { above } from '../../runtime/condition-table.ts';
import type { Finding, Stated } from '../../runtime/condition-table.ts';
import { defaultDistribution } from '../default-version.ts';
import { condemnation } from '../images.ts';
import { compareDistributions } from '../versions.ts';
import type { Observed } from './observed.ts';

export type Activation = Pick<ImageDistributionStatus, 'activeImage' | 'previousActiveImage' | 'activationTime'>;

/**
 * It becomes a default version when all its nodes have the image, and stays so while nodes come and go. Until then, and when
 * it is condemned, the image that was the default before it is: an operating system must not be without one.
 */
export function activate(o: Observed, distributed: boolean): Activation {
  const { distribution, find, now } = o;
  const { spec, status } = distribution;
  if (!spec.activate.newContainers) return {};
  const { os } = parseReference(spec.image);
  const condemned = (image: string) => condemnation(find(os, parseReference(image).version ?? '')) !== undefined;
  const usable = (image: string | undefined): image is string =>
    image !== undefined && parseReference(image).os === os && !condemned(image);
  const earlier = [status?.activeImage, status?.previousActiveImage].filter(usable);
  if (status?.activationTime !== undefined && earlier[0] === spec.image) {
    return withPrevious(spec.image, earlier[1], status.activationTime);
  }
  if (distributed && !condemned(spec.image) && !awaited(o)) {
    const previous = earlier.find((image) => image !== spec.image);
    return withPrevious(spec.image, previous, now.toISOString());
  }
  if (status?.activationTime === undefined || earlier[0] === undefined) return {};
  return withPrevious(earlier[0], earlier[1], status.activationTime);
}

/**
 * An operating system without any default waits for the distribution that is declared above the others, as long as that one is
 * on its way: else its first containers would run whatever arrives first.
 */
function awaited({ distribution, find, fleet: { distributions } }: Observed): ImageDistribution | undefined {
  const { os } = parseReference(distribution.spec.image);
  if (defaultDistribution(os, distributions)) return undefined;
  return distributions
    .filter(({ metadata, spec }) => spec.activate.newContainers && metadata.name !== distribution.metadata.name)
    .filter(({ metadata, spec }) => parseReference(spec.image).os === os && metadata.deletionTimestamp === undefined)
    .filter((other) => compareDistributions(other, distribution) > 0)
    .find((other) => {
      const { version = '' } = parseReference(other.spec.image);
      return condemnation(find(os, version)) === undefined && isOnItsWay(other);
    });
}

/** Neither does it wait for a person, nor does a person want it to wait. */
const isOnItsWay = ({ status }: ImageDistribution): boolean =>
  !isTrue(status?.conditions, 'Stalled') && findCondition(status?.conditions, 'Distributed')?.reason !== 'Paused';

const withPrevious = (activeImage: string, previous: string | undefined, activationTime: string): Activation => ({
  activeImage,
  ...(previous !== undefined && { previousActiveImage: previous }),
  activationTime,
});

interface Input {
  o: Observed;
  activation: Activation;
}

/** The default version while this image is not. */
const meanwhile = ({ activeImage }: Activation): string =>
  activeImage === undefined ? '' : `; ${activeImage} is it until then`;

const isActive = ({ o, activation }: Input): boolean => activation.activeImage === o.distribution.spec.image;

export function superseded({ o, activation }: Input): Finding | undefined {
  const { distribution } = o;
  if (!isActive({ o, activation })) return undefined;
  const { os } = parseReference(distribution.spec.image);
  const others = o.fleet.distributions.filter(({ metadata }) => metadata.name !== distribution.metadata.name);
  const giver = defaultDistribution(os, [...others, { ...distribution, status: activation }]);
  if (!giver || giver.metadata.name === distribution.metadata.name) return undefined;
  const gives = giver.status?.activeImage ?? '';
  const message = `New containers of ${os} run ${gives} of ImageDistribution ${giver.metadata.name}, whose version is not below ${distribution.spec.image}. For this one instead, set spec.activate.newContainers to false there, or delete it`;
  return { status: 'False', reason: 'Superseded', message };
}

export function newContainers(input: Input): Finding | undefined {
  if (!isActive(input)) return undefined;
  const { image } = input.o.distribution.spec;
  return {
    status: 'True',
    reason: 'NewContainers',
    message: `New containers of ${parseReference(image).os} run ${image}`,
  };
}

export function notRequested({ o: { distribution } }: Input): Finding | undefined {
  return distribution.spec.activate.newContainers
    ? undefined
    : { status: 'False', reason: 'NotRequested', message: 'spec.activate.newContainers is false' };
}

export function imageCondemned({ o: { distribution, image }, activation }: Input): Finding | undefined {
  if (condemnation(image) === undefined) return undefined;
  const { os, version = '' } = parseReference(distribution.spec.image);
  const name = imageObjectName({ os, version });
  const message = `OSImage ${name} is condemned, so it is not the default version before its annotation ${annotations.condemned} is removed${meanwhile(activation)}`;
  return { status: 'False', reason: 'ImageCondemned', message };
}

export function waitingForOther({ o, activation }: Input, stated: readonly Stated[]): Finding | undefined {
  const upper = above(stated, 'Distributed').status === 'True' ? awaited(o) : undefined;
  if (!upper) return undefined;
  const { os } = parseReference(o.distribution.spec.image);
  const message = `${os} has no default version yet, and ImageDistribution ${upper.metadata.name} names the version above, ${upper.spec.image}, which is on its way to the nodes${meanwhile(activation)}`;
  return { status: 'False', reason: 'WaitingForOther', message };
}

export function waitingForNodes({ activation }: Input): Finding {
  const message = `It becomes the default version when all selected nodes have it${meanwhile(activation)}`;
  return { status: 'False', reason: 'WaitingForNodes', message };
}

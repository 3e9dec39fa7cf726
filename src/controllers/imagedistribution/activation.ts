import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { annotations } from '../../api/names.ts';
import { imageObjectName, parseReference } from '../../pod/image.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { condemnation } from '../catalog.ts';
import type { Observed } from './plan.ts';

type Activation = Pick<ImageDistributionStatus, 'activeImage' | 'previousActiveImage' | 'activationTime'>;

/**
 * It becomes a default version when all its nodes have the image, and stays so while nodes come and go. Until then, and when
 * it is condemned, the image that was the default before it is: an operating system shall not be without one.
 */
export function activate({ distribution, find, now }: Observed, distributed: boolean): Activation {
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
  if (distributed && !condemned(spec.image)) {
    const previous = earlier.find((image) => image !== spec.image);
    return withPrevious(spec.image, previous, now.toISOString());
  }
  if (status?.activationTime === undefined || earlier[0] === undefined) return {};
  return withPrevious(earlier[0], earlier[1], status.activationTime);
}

const withPrevious = (activeImage: string, previous: string | undefined, activationTime: string): Activation => ({
  activeImage,
  ...(previous !== undefined && { previousActiveImage: previous }),
  activationTime,
});

export function activatedCondition({ distribution, image }: Observed, { activeImage }: Activation): NewCondition {
  const type = 'Activated';
  const { spec } = distribution;
  const { os, version = '' } = parseReference(spec.image);
  if (activeImage === spec.image)
    return { type, status: 'True', reason: 'NewContainers', message: `New containers of ${os} run ${activeImage}` };
  if (!spec.activate.newContainers)
    return { type, status: 'False', reason: 'NotRequested', message: 'spec.activate.newContainers is false' };
  const meanwhile = activeImage === undefined ? '' : `; ${activeImage} is it until then`;
  if (condemnation(image) !== undefined) {
    const name = imageObjectName({ os, version });
    const message = `OSImage ${name} is condemned, so it is not the default version before its annotation ${annotations.condemned} is removed${meanwhile}`;
    return { type, status: 'False', reason: 'ImageCondemned', message };
  }
  const message = `It becomes the default version when all selected nodes have it${meanwhile}`;
  return { type, status: 'False', reason: 'WaitingForNodes', message };
}

import type { ImageDistribution } from '../api/imagedistribution.ts';
import { parseReference } from '../api/images.ts';
import { compareImages, compareDistributions } from './versions.ts';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import { matchesSelector } from '../api/kubernetes/selectors.ts';
import { previousImagesLimit } from '../api/imagedistribution.ts';

/** The default version of an OS: that of the distribution that gives it. */
export function defaultVersion(os: string, distributions: readonly ImageDistribution[]): string | undefined {
  return parseReference(defaultDistribution(os, distributions)?.status?.activeImage ?? '').version;
}

/**
 * Of the distributions that are active for an OS, the one whose active image is above those of all others: by what is declared,
 * so it is the same for everybody, whatever came when.
 */
export function defaultDistribution(
  os: string,
  distributions: readonly ImageDistribution[],
): ImageDistribution | undefined {
  const gives = ({ status }: ImageDistribution) => status?.activeImage ?? '';
  return distributions
    .filter((d) => d.metadata.deletionTimestamp === undefined && isActive(d) && parseReference(d.spec.image).os === os)
    .sort((a, b) => compareImages(gives(b), gives(a)) || compareDistributions(b, a))[0];
}

/** It asks to be the default, and is: for the image that it names now or, until that is everywhere, for the one before. */
export const isActive = ({ spec, status }: ImageDistribution): boolean =>
  spec.activate.newContainers &&
  status?.activationTime !== undefined &&
  parseReference(status.activeImage ?? '').os === parseReference(spec.image).os;

/** The distribution moves this container to the default version. */
export function moves({ spec }: ImageDistribution, { metadata }: Pick<HostedContainer, 'metadata'>): boolean {
  const { existingContainers } = spec.activate;
  return existingContainers !== undefined && matchesSelector(metadata.labels, existingContainers.selector);
}

/**
 * The images that a distribution distributed before the one that it names now, newest first; of the same OS only. Right also
 * between an edit of the spec and the status that remembers it.
 */
export function previousImages({ spec, status }: ImageDistribution): string[] {
  const { os } = parseReference(spec.image);
  const known = new Set([status?.image, ...(status?.previousImages ?? [])]);
  return [...known]
    .filter((image) => image !== undefined && image !== spec.image && parseReference(image).os === os)
    .slice(0, previousImagesLimit) as string[];
}

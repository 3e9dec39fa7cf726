import type { HostedContainer } from '../api/hostedcontainer.ts';
import { previousImagesLimit } from '../api/imagedistribution.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import { annotations } from '../api/names.ts';
import type { FetchSource, OSImage } from '../api/osimage.ts';
import { parseReference, testingReference } from '../api/images.ts';
import { matchesSelector } from '../api/kubernetes/selectors.ts';
import { findCondition } from '../runtime/conditions.ts';
import { compareDistributions, compareImages } from './versions.ts';

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

/** The evidence against an image, while it is condemned. */
export const condemnation = (image: OSImage | undefined): string | undefined =>
  image?.metadata.annotations?.[annotations.condemned];

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

/** The digest of what the image is made of: of the archive, or of the manifest or index; of a build once it was pushed. */
export function digestOf({ spec: { source }, status }: OSImage): string | undefined {
  if (source.build) return status?.build?.digest;
  return source.oci?.digest ?? (source.http && `sha256:${source.http.sha256}`);
}

/** Where nodes fetch it; undefined while it is not built. A node knows it by its digest, so it may move. */
export function fetchSourceOf(image: OSImage): FetchSource | undefined {
  const { http, oci, build } = image.spec.source;
  if (http) return { http };
  if (oci) return { oci };
  const digest = digestOf(image);
  if (!build || digest === undefined) return undefined;
  const secret = build.pullSecretRef ?? build.pushSecretRef;
  return {
    oci: {
      reference: image.status?.publication?.reference ?? testingReference(build, image.spec),
      digest,
      ...(secret && { pullSecretRef: secret }),
      ...(build.caRef && { caRef: build.caRef }),
      ...(build.plainHTTP !== undefined && { plainHTTP: build.plainHTTP }),
    },
  };
}

/** Why it may not reach the nodes that distributions select; undefined when it may. First hit wins. */
export function whyNotReleased(image: OSImage): { reason: string; message: string } | undefined {
  const { spec, status, metadata } = image;
  const says = (type: string) => {
    const found = findCondition(status?.conditions, type);
    return `OSImage ${metadata.name}: ${found ? `${found.reason}: ${found.message}` : 'nobody has looked at it yet'}`;
  };
  if (spec.source.build && status?.build?.digest === undefined)
    return { reason: 'ImageNotBuilt', message: says('Built') };
  if (spec.verification && status?.verification?.outcome !== 'Passed')
    return { reason: 'ImageNotVerified', message: says('Verified') };
  if (spec.source.build && status?.publication?.reference === undefined)
    return { reason: 'ImageNotPublished', message: says('Published') };
  return undefined;
}

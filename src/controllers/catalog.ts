import { previousImagesLimit } from '../api/imagedistribution.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { OSImage } from '../api/osimage.ts';
import { parseReference } from '../pod/image.ts';

/**
 * The default version of an OS: of the distributions that are active for it, the one activated last. When that one is
 * deleted, the one before it is the last again.
 */
export function defaultVersion(os: string, distributions: readonly ImageDistribution[]): string | undefined {
  const active = distributions
    .filter((d) => d.metadata.deletionTimestamp === undefined && isActive(d) && parseReference(d.spec.image).os === os)
    .sort(
      (a, b) =>
        compare(b.status?.activationTime, a.status?.activationTime) || compare(a.metadata.name, b.metadata.name),
    );
  return active[0] && parseReference(active[0].spec.image).version;
}

/** It asks to be the default, and has been for the image that it names now. */
export const isActive = (d: ImageDistribution): boolean =>
  d.spec.activate.newContainers && d.status?.activeImage === d.spec.image && d.status.activationTime !== undefined;

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

const compare = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0);

/** The digest of what the image is made of: of the archive, or of the manifest or index; known before any node has it. */
export function digestOf({ spec: { source } }: OSImage): string {
  return source.oci?.digest ?? `sha256:${source.http?.sha256 ?? ''}`;
}

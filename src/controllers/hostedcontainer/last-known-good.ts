import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { usableImage } from '../../pod/usable-image.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { whyNotReleased } from '../images.ts';
import type { Catalog } from './observed.ts';

/** An image as its bytes: the name says where they were found. */
export interface Bytes {
  /** `<os>:<version>`. */
  image: string;
  /** Unset only in a status that an earlier version of the operator wrote. */
  digest?: string | undefined;
}

/** What the container has last run well. */
export function lastKnownGood(status: HostedContainerStatus): Bytes | undefined {
  const { lastKnownGoodImage: image, lastKnownGoodDigest, digest } = status;
  if (image === undefined) return undefined;
  return { image, digest: lastKnownGoodDigest ?? (status.image === image ? digest : undefined) };
}

const areThese = ({ image, digest }: Bytes, other: Bytes): boolean =>
  image === other.image && (digest === undefined || other.digest === undefined || digest === other.digest);

/** Is it the last known good, in name and bytes? Another archive under the same name is another image. */
export function isLastKnownGood(status: HostedContainerStatus, image: UsableImage): boolean {
  const good = lastKnownGood(status);
  return good !== undefined && areThese(good, { image: imageName(image), digest: image.digest });
}

/** The container has run these bytes well; or it runs them, and has never run anything well. */
export function hasRunWell(status: HostedContainerStatus, { spec, status: seen }: OSImage): boolean {
  const { image, digest } = status;
  const known = lastKnownGood(status) ?? (image === undefined ? undefined : { image, digest });
  return known !== undefined && areThese(known, { image: imageName(spec), digest: seen?.digest });
}

/**
 * The images that have these bytes: the one of that name, and, when that name means other bytes by now or nothing at all,
 * other versions of the same OS that have them, in an order that is the same for everybody.
 */
function withBytes({ find, withDigest }: Pick<Catalog, 'find' | 'withDigest'>, { image, digest }: Bytes): OSImage[] {
  const { os, version = '' } = parseReference(image);
  const named = find(os, version);
  if (digest === undefined) return named ? [named] : [];
  const isNamed = (it: OSImage) => it.spec.version === version;
  return withDigest(digest)
    .filter(({ spec }) => spec.os === os)
    .toSorted((a, b) => Number(isNamed(b)) - Number(isNamed(a)) || (a.spec.version < b.spec.version ? -1 : 1));
}

/** The usable image that has these bytes. */
export function usableBytes(
  catalog: Pick<Catalog, 'find' | 'withDigest'>,
  wanted: Bytes | undefined,
): UsableImage | undefined {
  if (!wanted) return undefined;
  return withBytes(catalog, wanted).map(usableImage).find((it) => it !== undefined); // prettier-ignore
}

/**
 * Under which name a node keeps these bytes: that by which the container would go back to them. The name that they had when no
 * released image has them.
 */
export function nameOfBytes(catalog: Pick<Catalog, 'find' | 'withDigest'>, wanted: Bytes): string {
  const images = withBytes(catalog, wanted);
  const image = images.find((it) => usableImage(it) !== undefined) ?? images.find((it) => !whyNotReleased(it));
  return image ? imageName(image.spec) : wanted.image;
}

/** What a failed upgrade goes back to, and what runs while there is no Pod and the way forward is shut; if it can be had. */
export const wayBack = (
  { status }: { status?: HostedContainerStatus },
  catalog: Pick<Catalog, 'find' | 'withDigest'>,
): UsableImage | undefined => usableBytes(catalog, lastKnownGood(status ?? {}));

import type { Build } from './build.ts';
import { imageLabelPrefix, storeRoot } from './names.ts';

/** Where images that are built in the cluster are pushed. */

interface Version {
  os: string;
  version: string;
}

/** `<repository>/testing/<os>:<version>`: what no container may use yet. */
export const testingReference = (build: Pick<Build, 'repository'>, { os, version }: Version): string =>
  `${build.repository}/testing/${os}:${version}`;

/** `<repository>/production/<os>:<version>`: what has passed its verification. */
export const productionReference = (build: Pick<Build, 'repository'>, { os, version }: Version): string =>
  `${build.repository}/production/${os}:${version}`;

export interface ImageReference {
  os: string;
  /** Unset: the default version of the OS. */
  version?: string;
}

export function parseReference(reference: string): ImageReference {
  const [os = '', version] = reference.split(':');
  return version === undefined ? { os } : { os, version };
}

/** `<os>:<version>`, as users write it. */
export const imageName = (image: { os: string; version: string }): string => `${image.os}:${image.version}`;

/** `<os>.<version>`, the name of the OSImage. */
export const imageObjectName = (image: { os: string; version: string }): string => `${image.os}.${image.version}`;

/** The node label that says "this node has all of this image", with the value that proves which bytes. */
export const imageLabel = (image: { os: string; version: string; digest: string }): { key: string; value: string } => ({
  key: `${imageLabelPrefix}${imageObjectName(image)}`,
  value: image.digest.replace(/^sha256:/, '').slice(0, 12),
});

/** Host directory of the version in the master store. */
export const storeDirectory = (image: { os: string; version: string }): string =>
  `${storeRoot}/${image.os}/${image.version}`;

/** One version of an operating system. */
export interface ImageName {
  os: string;
  version: string;
}

import { imageLabelPrefix, storeRoot } from '../api/names.ts';
import type { Defaults, Layout, OSImage } from '../api/osimage.ts';
import type { Writable } from '../api/podfields.ts';
import { effectiveDefaults } from './defaults.ts';

/** Everything that a Pod needs to know of an image that containers may use. */
export interface UsableImage {
  os: string;
  version: string;
  digest: string;
  architecture: string;
  layout: Layout;
  defaults: Defaults;
  writable: readonly Writable[];
  hasMountScript: boolean;
  /** Stored images that one container mounts below /sw besides; resolved for that container. */
  software?: readonly StoredSoftware[];
}

/** An OSImage that is mounted as software. */
export interface StoredSoftware {
  /** It is mounted at /sw/<name>. */
  name: string;
  os: string;
  version: string;
  digest: string;
}

/** Every stored image that a node needs to run the container. */
export const storedImages = (image: UsableImage): readonly { os: string; version: string; digest: string }[] => [
  image,
  ...(image.software ?? []),
];

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

/** The node label that says "this node wholly has this image", with the value that proves which bytes. */
export const imageLabel = (image: { os: string; version: string; digest: string }): { key: string; value: string } => ({
  key: `${imageLabelPrefix}${imageObjectName(image)}`,
  value: image.digest.replace(/^sha256:/, '').slice(0, 12),
});

/** Host directory of the version in the master store. */
export const storeDirectory = (image: { os: string; version: string }): string =>
  `${storeRoot}/${image.os}/${image.version}`;

/** The image as a Pod sees it; undefined while it is not Ready. */
export function usableImage(image: OSImage): UsableImage | undefined {
  const { spec, status } = image;
  const ready = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
  if (!ready || !status?.digest || !status.layout) return undefined;
  return {
    os: spec.os,
    version: spec.version,
    digest: status.digest,
    architecture: spec.architecture,
    layout: status.layout,
    defaults: effectiveDefaults(spec, status.defaults) ?? {},
    writable: spec.writable,
    hasMountScript: status.hasMountScript ?? false,
  };
}

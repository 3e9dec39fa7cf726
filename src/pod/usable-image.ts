import type { Defaults, Layout, OSImage } from '../api/osimage.ts';
import type { Writable } from '../api/kubernetes/podfields.ts';
import { effectiveDefaults } from '../api/defaults.ts';

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

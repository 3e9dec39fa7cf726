import { imageObjectName, parseReference } from '../../../api/images.ts';
import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { usableImage } from '../../../pod/usable-image.ts';
import { whyNotReleased } from '../../images.ts';

/**
 * The image that a distribution names, as it would be when it is tested and Ready: what is not known of it changes no order and no
 * time. One that has not been built or tested yet is taken for one of a web server, so that nodes are selected for it.
 */
export function assumeReady(distribution: ImageDistribution, image: OSImage | undefined): OSImage {
  if (image && usableImage(image)) return image;
  const { os, version = '' } = parseReference(distribution.spec.image);
  const unknown = '0'.repeat(64);
  const isReleased = image !== undefined && whyNotReleased(image) === undefined;
  const { verification: _untested, ...known } = image?.spec ?? {};
  const conditions = [
    {
      type: 'Ready',
      status: 'True' as const,
      reason: 'Assumed',
      message: '',
      lastTransitionTime: '1970-01-01T00:00:00Z',
    },
  ];
  return {
    apiVersion: distribution.apiVersion,
    kind: 'OSImage',
    metadata: image?.metadata ?? { name: imageObjectName({ os, version }) },
    spec: {
      architecture: 'amd64',
      writable: [],
      ...known,
      os,
      version,
      source: isReleased ? image.spec.source : { http: { url: 'http://assumed', sha256: unknown } },
    },
    status: {
      ...image?.status,
      digest: image?.status?.digest ?? `sha256:${unknown}`,
      layout: { kind: 'merged', directories: [] },
      conditions,
    },
  };
}

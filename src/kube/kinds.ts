import { group, version } from '../api/names.ts';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { NodeStore } from '../api/nodestore.ts';
import type { OSImage } from '../api/osimage.ts';
import { defineResource } from './resources.ts';

/** Our own kinds as resources of the API server. */
const own = { group, version };
export const osImages = defineResource<OSImage>({ ...own, plural: 'osimages', kind: 'OSImage', namespaced: false });
export const imageDistributions = defineResource<ImageDistribution>({
  ...own,
  plural: 'imagedistributions',
  kind: 'ImageDistribution',
  namespaced: false,
});
export const hostedContainers = defineResource<HostedContainer>({
  ...own,
  plural: 'hostedcontainers',
  kind: 'HostedContainer',
  namespaced: true,
});
export const nodeStores = defineResource<NodeStore>({
  ...own,
  plural: 'nodestores',
  kind: 'NodeStore',
  namespaced: false,
});

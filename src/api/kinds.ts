import { hostedContainerDefinition } from './hostedcontainer.ts';
import { imageDistributionDefinition } from './imagedistribution.ts';
import { nodeStoreDefinition } from './nodestore.ts';
import { osImageDefinition } from './osimage.ts';

/** Every kind of the API. */
export const kinds = [osImageDefinition, imageDistributionDefinition, hostedContainerDefinition, nodeStoreDefinition];

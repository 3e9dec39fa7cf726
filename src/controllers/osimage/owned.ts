import type { OwnerReference } from '../../api/kubernetes/objects.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { KubeObject } from '../../runtime/object.ts';

export interface Owned extends KubeObject {
  metadata: KubeObject['metadata'] & { ownerReferences?: OwnerReference[] };
}

/** An OSImage of the same name that is gone may have left something. */
export const isOwned = ({ metadata }: Owned, image: OSImage): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === image.metadata.uid) ?? false;

import { annotations } from '../api/names.ts';
import type { FetchSource, OSImage } from '../api/osimage.ts';
import { testingReference } from '../api/images.ts';
import { findCondition } from '../runtime/conditions.ts';

/** The evidence against an image, while it is condemned. */
export const condemnation = (image: OSImage | undefined): string | undefined =>
  image?.metadata.annotations?.[annotations.condemned];

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
    return `OSImage ${metadata.name}: ${found ? `${found.reason}: ${found.message}` : 'no one has looked at it yet'}`;
  };
  if (spec.source.build && status?.build?.digest === undefined)
    return { reason: 'ImageNotBuilt', message: says('Built') };
  if (spec.verification && status?.verification?.outcome !== 'Passed')
    return { reason: 'ImageNotVerified', message: says('Verified') };
  if (spec.source.build && status?.publication?.reference === undefined)
    return { reason: 'ImageNotPublished', message: says('Published') };
  return undefined;
}

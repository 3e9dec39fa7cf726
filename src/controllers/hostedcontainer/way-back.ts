import { fingerprint, podHash } from '../../pod/fingerprint.ts';
import type { Target } from './target.ts';
import { withSoftware } from './images.ts';
import { wayBack } from './last-known-good.ts';
import type { Observed } from './observed.ts';

/** The last known good as a target, in the present shape: what serves while an attempt waits. Undefined when there is none. */
export function wayBackOf(o: Observed, target: Target): Target | undefined {
  const good = target.isAttempt ? wayBack(o.container, o.catalog) : undefined;
  if (!good) return undefined;
  const image = withSoftware(o.container, o.catalog, good);
  return {
    resolution: target.resolution,
    image,
    isAttempt: false,
    fingerprint: fingerprint(o.container, image),
    podHash: podHash(o.container, image),
  };
}

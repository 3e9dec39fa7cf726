import type { OSImage } from '../../api/osimage.ts';
import { missingParts } from '../../pod/missing.ts';
import { truncate } from '../../runtime/text.ts';
import type { Facts } from './facts.ts';
import type { Stated } from './observed.ts';

const longestMessage = 4096;

/** Whether containers have all of the image; nothing before its layout is known. */
export function layoutCondition({ spec }: OSImage, { layout, defaults = {} }: Facts): Stated[] {
  if (!layout) return [];
  const type = 'LayoutComplete';
  const missing = missingParts({ layout, defaults, writable: spec.writable });
  if (missing.length === 0) {
    const message = 'Containers have everything on top of the image, and can write to its volumes';
    return [{ type, status: 'True', reason: 'AllMounted', message }];
  }
  return [{ type, status: 'False', reason: 'PartsMissing', message: truncate(missing.join('. '), longestMessage) }];
}

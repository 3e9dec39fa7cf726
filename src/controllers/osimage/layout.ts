import type { OSImage } from '../../api/osimage.ts';
import { missingParts } from '../../pod/missing.ts';
import { overlayTooSmall } from '../../pod/validate.ts';
import { imageWritable } from '../../pod/volumes.ts';
import { truncate } from '../../runtime/text.ts';
import type { Facts } from './facts.ts';
import type { Stated } from './observed.ts';

const longestMessage = 4096;

/** Whether containers have all of the image; nothing before its layout is known. */
export function layoutCondition({ spec }: OSImage, { layout, defaults = {} }: Facts): Stated[] {
  if (!layout) return [];
  const type = 'LayoutComplete';
  const shape = { os: spec.os, version: spec.version, layout, defaults, writable: spec.writable };
  const missing = missingParts(shape);
  const tooSmall = overlayTooSmall(shape, imageWritable(shape));
  if (tooSmall !== undefined) {
    const message = `Containers that do not set spec.writable cannot start. ${[tooSmall, ...missing].join('. ')}`;
    return [{ type, status: 'False', reason: 'OverlayTooSmall', message: truncate(message, longestMessage) }];
  }
  if (missing.length === 0) {
    const message = 'Containers have everything on top of the image, and can write to its volumes';
    return [{ type, status: 'True', reason: 'AllMounted', message }];
  }
  return [{ type, status: 'False', reason: 'PartsMissing', message: truncate(missing.join('. '), longestMessage) }];
}

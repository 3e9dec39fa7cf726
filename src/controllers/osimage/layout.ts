import { missingParts } from '../../pod/missing.ts';
import { overlayTooSmall } from '../../pod/validate.ts';
import { imageWritable } from '../../pod/volumes.ts';
import type { Finding } from '../../runtime/condition-table.ts';
import { truncate } from '../../runtime/text.ts';
import type { Facts } from './facts.ts';
import type { Observed } from './observed.ts';

const longestMessage = 4096;

interface Input {
  o: Observed;
  facts: Facts;
}

/** Unknown before the layout is. */
function shapeOf({ o, facts: { layout, defaults = {} } }: Input) {
  const { os, version, writable } = o.image.spec;
  return layout && { os, version, layout, defaults, writable };
}

export function overlaySmall(input: Input): Finding | undefined {
  const shape = shapeOf(input);
  const tooSmall = shape && overlayTooSmall(shape, imageWritable(shape));
  if (!shape || tooSmall === undefined) return undefined;
  const problems = [tooSmall, ...missingParts(shape)].join('. ');
  const message = `Containers that do not set spec.writable cannot start. ${problems}`;
  return { status: 'False', reason: 'OverlayTooSmall', message: truncate(message, longestMessage) };
}

export function partsMissing(input: Input): Finding | undefined {
  const shape = shapeOf(input);
  const missing = shape ? missingParts(shape) : [];
  if (missing.length === 0) return undefined;
  return { status: 'False', reason: 'PartsMissing', message: truncate(missing.join('. '), longestMessage) };
}

export function allMounted(input: Input): Finding | undefined {
  const message = 'Containers have everything on top of the image, and can write to its volumes';
  return shapeOf(input) && { status: 'True', reason: 'AllMounted', message };
}

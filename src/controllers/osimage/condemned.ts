import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { condemnation } from '../images.ts';
import { truncate } from '../../runtime/text.ts';

const messageLimit = 4096;

/** Follows the annotation, which a halted rollout or a person writes and a person removes. */
export function condemnedCondition(image: OSImage): NewCondition {
  const type = 'Condemned';
  const evidence = condemnation(image);
  if (evidence === undefined) {
    return { type, status: 'False', reason: 'NotCondemned', message: 'Nothing is held against it' };
  }
  const message = `${evidence}. Only containers that have run it well may start on it. To lift this, remove the annotation ${annotations.condemned}`;
  return { type, status: 'True', reason: 'Condemned', message: truncate(message, messageLimit) };
}

import { annotations } from '../../api/names.ts';
import type { Finding } from '../../runtime/condition-table.ts';
import { condemnation } from '../images.ts';
import { truncate } from '../../runtime/text.ts';
import type { Observed } from './observed.ts';

const messageLimit = 4096;

/** Follows the annotation, which a halted rollout or a person writes and a person removes. */
export function condemned({ o: { image } }: { o: Observed }): Finding | undefined {
  const evidence = condemnation(image);
  if (evidence === undefined) return undefined;
  const message = `${evidence}. Only containers that have run it well may start on it. To lift this, remove the annotation ${annotations.condemned}`;
  return { status: 'True', reason: 'Condemned', message: truncate(message, messageLimit) };
}

export function notCondemned(): Finding {
  return { status: 'False', reason: 'NotCondemned', message: 'Nothing is held against it' };
}

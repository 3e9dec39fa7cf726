import { truncate } from '../../../runtime/text.ts';

/** A name of an archive in a message: printable, and not too long. `name` has one character a byte. */
export function quoted(name: string): string {
  return truncate(JSON.stringify(Buffer.from(name, 'latin1').toString()), 200);
}

import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { linesOf } from '../../runtime/lines.ts';
import type { Jail } from '../../system/jail.ts';
import { programLines } from '../../system/programs.ts';
import { escaped, unescaped } from './names.ts';

/** Beside `root/`: extended attributes, ACLs and file capabilities of the files in it and beside it, which mtree(5) does not know. */
export const attributesName = 'attributes';

// Those that the image has; a security label such as that of SELinux is the business of the node.
const ofTheImage = '^(user|trusted|system|security\\.capability)';
const getfattr = ['getfattr', '-R', '-P', '-h', '-d', '-e', 'hex', '-m', ofTheImage, '--absolute-names', '--'];
const header = '# file: ';

/**
 * The attributes of all files in a directory: `<name> <attribute>=0x<value>` for each of them, in any order. Of the attributes themselves,
 * each is in memory only while its line is.
 */
export function listAttributes(
  directory: string,
  names: readonly string[],
  { signal, idle = false }: { signal: AbortSignal; idle?: boolean },
): AsyncGenerator<string> {
  if (names.length === 0) return none();
  const jail: Jail = { work: 'look', directory, memoryBytes: 96 * 1024 * 1024 };
  return flat(programLines([...getfattr, ...names], { cwd: directory, signal, idle, jail }));
}

/** Those of an entry of the store, as they were when it was published. */
export const readAttributes = (entry: string): AsyncGenerator<string> =>
  flat(linesOf(createReadStream(join(entry, attributesName), 'latin1')));

/** Reads what getfattr writes, and what is flat already. */
async function* flat(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let name: string | undefined;
  for await (const line of lines) {
    if (line.startsWith(header)) name = escaped(unescaped(line.slice(header.length)));
    else if (line === '') name = undefined;
    else yield name === undefined ? line : `${name} ${line}`;
  }
}

async function* none(): AsyncGenerator<string> {}

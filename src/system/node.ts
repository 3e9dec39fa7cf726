import { join } from 'node:path';

/** What a second Node.js may map of memory that it can write to, nearly all of it never used: 512 MiB for code alone. Its heap has a limit of its own. */
export const nodeBytes = 1024 * 1024 * 1024;

/** What it opens to run a program beside this one, or among the sources. */
export const programsBeside = (isSource: boolean): string[] => [
  process.execPath,
  isSource ? join(import.meta.dirname, '../..') : import.meta.dirname,
];

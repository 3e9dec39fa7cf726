import { createHash } from 'node:crypto';
import process from 'node:process';
import { unescaped } from '../agent/store/names.ts';
import { readPastCache } from '../agent/store/read-past-cache.ts';
import { linesOf } from '../runtime/lines.ts';

/**
 * `digest`: for each name on the standard input, as lists of the store have it and relative to the working directory, writes the SHA-256 of
 * that file's content. The agent runs it at the lowest priority.
 */

function digestOf(name: string): string {
  const hash = createHash('sha256');
  readPastCache(Buffer.from(unescaped(name), 'latin1'), (bytes) => hash.update(bytes));
  return hash.digest('hex');
}

/** At once with others: so many names of files. */
const mostPending = 64;
let pending: string[] = [];

async function flush(): Promise<void> {
  const text = pending.join('');
  pending = [];
  if (text !== '') await new Promise((resolve) => process.stdout.write(text, resolve));
}

try {
  for await (const name of linesOf(process.stdin.setEncoding('latin1') as AsyncIterable<string>)) {
    pending.push(`${digestOf(name)}\n`);
    if (pending.length >= mostPending) await flush();
  }
  await flush();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

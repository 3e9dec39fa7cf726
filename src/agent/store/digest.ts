import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { linesOf } from '../../runtime/lines.ts';
import { nodeBytes, programsBeside } from '../../system/node.ts';
import type { Jail } from '../../system/jail.ts';
import { exitOf, readLines, startProgram } from '../../system/programs.ts';
import { together } from '../../runtime/together.ts';
import { isWorthReading } from './compare.ts';
import type { Sorter } from './sorter.ts';

/** Beside the program of the agent, or among the sources. */
const isSource = import.meta.filename.endsWith('.ts');
const program = join(import.meta.dirname, isSource ? '../../cmd/digest.ts' : 'digest.js');
/** It reads one piece of one file at a time. */
const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--max-old-space-size=32'];

/**
 * Adds `<name> <SHA-256>` for each of some regular files to a list, at low priority and past the page cache. `files` has lines of
 * inode, name in the entry, size and bytes on the disk: so each content is read once, whatever the number of its names. Files that
 * are mostly holes are left out: reading those would take long and tell little. Throws when a file cannot be read.
 */
export async function addDigested(entry: string, files: Sorter, to: Sorter, signal: AbortSignal): Promise<void> {
  const jail: Jail = { work: 'read', directory: entry, programs: programsBeside(isSource), memoryBytes: nodeBytes };
  const child = startProgram([...node, program], { cwd: entry, signal, idle: true, jail });
  let complaint = '';
  const complaints = readLines(child.stderr, (line) => (complaint = line)).catch(() => undefined);
  const ended = exitOf(child);
  ended.catch(() => undefined);
  // Why it does not read any more is reported by its end.
  child.stdin.on('error', () => undefined);
  try {
    await together(ask(files, child.stdin, ended), collect(files, child.stdout.setEncoding('latin1'), to));
    const { code } = await ended;
    if (code !== 0) throw new Error(`exit code ${code ?? 'none'}`);
  } catch (error) {
    await complaints;
    signal.throwIfAborted();
    throw new Error(`Reading ${entry} failed: ${complaint || String(error)}`, { cause: error });
  } finally {
    child.kill('SIGKILL');
    await Promise.allSettled([ended]);
  }
}

async function ask(files: Sorter, to: Writable, ended: Promise<unknown>): Promise<void> {
  for await (const { name, isFirst, isRead } of readFiles(files)) {
    if (isFirst && isRead && !to.write(`${name}\n`)) await Promise.race([once(to, 'drain'), ended]);
    if (to.destroyed) break;
  }
  to.end();
}

async function collect(files: Sorter, from: Readable, to: Sorter): Promise<void> {
  const answers = linesOf(from);
  let digest: string | undefined;
  for await (const { name, isFirst, isRead } of readFiles(files)) {
    if (!isRead) continue;
    if (isFirst) digest = await nextOf(answers);
    to.add(`${name} ${digest ?? ''}`);
    await to.settle();
  }
}

async function nextOf(answers: AsyncGenerator<string>): Promise<string> {
  const answer = await answers.next();
  if (answer.done === true) throw new Error('it ended too early');
  return answer.value;
}

/** `isFirst`: of the names of its file. */
async function* readFiles(files: Sorter): AsyncGenerator<{ name: string; isFirst: boolean; isRead: boolean }> {
  let last = '';
  for await (const line of files.sorted()) {
    const [inode = '', name = '', bytes, diskBytes] = line.split('\t');
    yield { name, isFirst: inode !== last, isRead: isWorthReading(Number(bytes), Number(diskBytes)) };
    last = inode;
  }
}

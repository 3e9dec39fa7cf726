import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { linesOf } from '../../runtime/lines.ts';
import type { Jail } from '../../system/jail.ts';
import { goodExitOf, programEnvironment, startProgram } from '../../system/programs.ts';
import { Turns } from './turns.ts';

/** Characters that are sorted in memory: as many as an ordinary image has. */
const mostCharacters = 1_000_000;
/** Of `sort`, which puts the rest into files. */
const sortMemory = '12M';
const pieceCharacters = 65_536;

export type Ensure = (bytes: number) => Promise<void>;

export interface SorterOptions {
  /** An existing directory for what finds no room in memory. */
  scratch: string;
  signal: AbortSignal;
  /** Gets out of the way of all others. */
  idle?: boolean;
  /** Throws unless the disk has room for that number of bytes. Called before they are written. */
  ensure?: Ensure | undefined;
  /** Characters that are sorted in memory; for tests. */
  mostCharacters?: number;
}

let count = 0;

/**
 * Sorts any number of lines, of one character a byte, by their bytes, in little memory: few of them in this process, more by sort(1), which
 * puts them into files below `scratch`. Whoever adds lines in a loop must wait for `settle` now and then. `close` is to be called in any case.
 */
export class Sorter {
  readonly #options: SorterOptions;
  #lines: string[] = [];
  #characters = 0;
  #spilled: Spilled | undefined;
  #complete: Promise<void> | undefined;

  constructor(options: SorterOptions) {
    this.#options = options;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length + 1;
  }

  /** Waits until there is memory for more lines. */
  async settle(): Promise<void> {
    const most = this.#spilled ? pieceCharacters : (this.#options.mostCharacters ?? mostCharacters);
    if (this.#characters <= most) return;
    this.#spilled ??= await Spilled.start(this.#options);
    await this.#pour(this.#spilled);
  }

  /** All lines, sorted, as often as it is asked for; none may be added after the first time. */
  async *sorted(): AsyncGenerator<string> {
    // Calls at the same time share one wait.
    await (this.#complete ??= this.#finish());
    if (this.#spilled) {
      yield* this.#spilled.lines();
      return;
    }
    const turns = new Turns(this.#options.signal);
    // By UTF-16 units, which here are bytes.
    for (const line of this.#lines.sort()) {
      await turns.next();
      yield line;
    }
  }

  /** Frees what it has taken; resolves when no program of it runs any more. */
  async close(): Promise<void> {
    this.#lines = [];
    await this.#spilled?.close();
  }

  async #finish(): Promise<void> {
    await this.settle();
    if (!this.#spilled) return;
    await this.#pour(this.#spilled);
    // What was put into files is there until all of it is written in its order.
    await this.#options.ensure?.(this.#spilled.characters);
    await this.#spilled.finish();
  }

  async #pour(spilled: Spilled): Promise<void> {
    const turns = new Turns(this.#options.signal);
    const lines = this.#lines;
    await this.#options.ensure?.(this.#characters);
    this.#lines = [];
    this.#characters = 0;
    for (let next = 0; next < lines.length; next += 256) {
      await spilled.write(`${lines.slice(next, next + 256).join('\n')}\n`);
      await turns.next();
    }
  }
}

/** Lines that sort(1) has. */
class Spilled {
  readonly #child: ChildProcess;
  readonly #output: FileHandle;
  readonly #ended: Promise<void>;
  /** Of all that was written to it. */
  characters = 0;

  static async start(options: SorterOptions): Promise<Spilled> {
    const path = join(options.scratch, `sorted-${++count}`);
    const output = await open(path, 'wx+', 0o600);
    // Without a name it is gone with this process at the latest.
    await unlink(path);
    return new Spilled(options, output);
  }

  private constructor({ scratch, signal, idle = false }: SorterOptions, output: FileHandle) {
    const sort = ['sort', '--parallel=1', '-S', sortMemory, '-T', scratch];
    const jail: Jail = { work: 'sort', directory: scratch, memoryBytes: 64 * 1024 * 1024 };
    // By bytes, whatever the names are.
    const env = { ...programEnvironment, LC_ALL: 'C' };
    this.#child = startProgram(sort, { stdio: ['pipe', output.fd, 'pipe'], env, signal, idle, jail });
    this.#output = output;
    this.#ended = goodExitOf(this.#child, 'sort');
    // Told when it is asked for.
    this.#ended.catch(() => undefined);
    // Why it does not read any more is reported by its end.
    this.#input.on('error', () => undefined);
  }

  async write(text: string): Promise<void> {
    this.characters += text.length;
    if (this.#input.write(text, 'latin1')) return;
    await Promise.race([once(this.#input, 'drain'), this.#ended]);
  }

  async finish(): Promise<void> {
    this.#input.end();
    await this.#ended;
  }

  lines(): AsyncGenerator<string> {
    return linesOf(this.#pieces());
  }

  /** Not a stream of the file: whoever stops reading that early would close the file, and the list is read again. */
  async *#pieces(): AsyncGenerator<string> {
    const buffer = Buffer.allocUnsafe(pieceCharacters);
    for (let position = 0; ;) {
      const { bytesRead } = await this.#output.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.toString('latin1', 0, bytesRead);
    }
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended.catch(() => undefined);
    await this.#output.close();
  }

  get #input(): Writable {
    return this.#child.stdin as Writable;
  }
}

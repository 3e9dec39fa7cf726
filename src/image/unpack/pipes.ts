import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../system/programs.ts';

/** Descriptors of the two ends of a pipe. Whoever takes it closes both. */
export interface Pipe {
  read: number;
  write: number;
}

/** Pipes that one process makes at once: an image of 256 layers takes 512. */
const madeAtOnce = 16;
const spare: Pipe[] = [];

/**
 * A pipe that programs and threads can have: what Node makes for the programs that it starts are sockets, and its own end is a stream.
 * Throws where the directory of temporary files cannot be written to.
 */
export async function takePipe(): Promise<Pipe> {
  for (;;) {
    const pipe = spare.pop();
    if (pipe) return pipe;
    spare.push(...(await makePipes()));
  }
}

/** Closes pipes that were made and not taken. */
export function closeSparePipes(): void {
  for (const { read, write } of spare.splice(0)) for (const end of [read, write]) closeSync(end);
}

async function makePipes(): Promise<Pipe[]> {
  const directory = await mkdtemp(join(tmpdir(), 'monoroot-pipes-'));
  try {
    const paths = Array.from({ length: madeAtOnce }, (_, index) => join(directory, String(index)));
    await runProgram('mkfifo', paths);
    return paths.map(openPipe);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function openPipe(path: string): Pipe {
  // To open one end alone waits for somebody at the other.
  const both = openSync(path, 'r+');
  try {
    return { read: openSync(path, 'r'), write: openSync(path, 'w') };
  } finally {
    closeSync(both);
  }
}

import { parentPort } from 'node:worker_threads';
import { filterStream } from '../image/unpack/filter-stream.ts';
import type { FilterRequest } from '../image/unpack/filter-thread.ts';

/** `filter`: a thread that reads tar streams between a decompressor and bsdtar, one at a time. */

parentPort?.on('message', ({ pipes, filter, counters }: FilterRequest) =>
  parentPort?.postMessage(filterStream(pipes, filter, counters)),
);

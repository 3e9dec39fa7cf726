import { parentPort } from 'node:worker_threads';
import { errorCode } from '../system/errors.ts';
import { serve } from '../agent/store/links.ts';
import type { Request } from '../agent/store/links.ts';
import type { Reply } from '../agent/store/link-thread.ts';

/** `links`: a thread of the agent that does to many files what would keep all else of it waiting for the disk. */

parentPort?.on('message', (request: Request) => parentPort?.postMessage(replyTo(request)));

function replyTo(request: Request): Reply {
  try {
    return { answer: serve(request) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: { message, code: errorCode(error) } };
  }
}

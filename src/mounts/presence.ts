import { connect } from 'node:net';
import type { Logger } from 'pino';
import { sleep } from '../runtime/time.ts';

/** The agent of a node learns that its node plugin is registered from a connection that the plugin holds. */

const pauseMilliseconds = 1000;

/** Holds a connection to the agent for as long as `registration` gives the same number, one for each registration, until the signal aborts. */
export async function holdPresence(
  socket: string,
  registration: () => number | undefined,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (registration() !== undefined) await hold(socket, registration, logger, signal);
    await sleep(pauseMilliseconds, signal);
  }
}

/** One connection. Resolves when the agent closes it, or when the plugin is registered no longer, or again: the agent reports since when. */
function hold(
  socket: string,
  registration: () => number | undefined,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const held = registration();
    const stop = () => connection.destroy();
    const timer = setInterval(() => {
      if (registration() !== held) stop();
    }, pauseMilliseconds);
    signal.addEventListener('abort', stop, { once: true });
    // The agent has nothing to say.
    connection.resume();
    connection.once('connect', () => logger.info('Told the agent'));
    connection.once('error', (error) => logger.debug({ err: error }, 'The agent does not listen'));
    connection.once('close', () => {
      clearInterval(timer);
      signal.removeEventListener('abort', stop);
      resolve();
    });
  });
}

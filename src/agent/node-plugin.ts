import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';

/**
 * Whether the node plugin of direct mounts answers: it holds a connection to this socket for as long as it is registered with the
 * container runtime. Its name and what it says do not matter: who reaches the socket is root on the node.
 */
export interface NodePlugin {
  /** `before`: what was reported last. A plugin that starts again, or an agent that does, changes no node for some seconds. */
  answers: (before: boolean) => boolean;
  close: () => Promise<void>;
}

export const graceMilliseconds = 10_000;

/** Listens. `changed` is called when another answer is due. */
export async function listenForPlugin(path: string, changed: () => void, now: () => number): Promise<NodePlugin> {
  const connections = new Set<Socket>();
  let lost = now();
  let timer: NodeJS.Timeout | undefined;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(changed, graceMilliseconds);
  };
  const server = createServer((connection) => {
    connections.add(connection);
    changed();
    connection.resume();
    // What went wrong does not matter, only that it is over.
    connection.on('error', () => undefined);
    connection.once('close', () => {
      connections.delete(connection);
      lost = now();
      later();
    });
  });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(path, resolve);
  });
  later();
  return {
    answers: (before) => connections.size > 0 || (before && now() - lost < graceMilliseconds),
    close: async () => {
      clearTimeout(timer);
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

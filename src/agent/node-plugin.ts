import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { PluginStatus } from '../api/nodestore.ts';

/**
 * Whether the node plugin of direct mounts answers: it holds a connection to this socket for as long as it is registered with the
 * container runtime. Its name and what it says do not matter: who reaches the socket is root on the node.
 */
export interface NodePlugin {
  /** `before`: what was reported last. A plugin that starts again, or an agent that does, changes no node for some seconds. */
  answers: (before: PluginStatus) => PluginStatus;
  close: () => Promise<void>;
}

export const graceMilliseconds = 10_000;

interface Clocks {
  /** Milliseconds that nothing sets back. */
  monotonic: () => number;
  now: () => Date;
}

/** Listens. `changed` is called when another answer is due. */
export async function listenForPlugin(
  path: string,
  changed: () => void,
  { monotonic, now }: Clocks,
): Promise<NodePlugin> {
  const connections = new Set<Socket>();
  let since = now();
  let lost = monotonic();
  let timer: NodeJS.Timeout | undefined;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(changed, graceMilliseconds);
  };
  const server = createServer((connection) => {
    connections.add(connection);
    since = now();
    changed();
    connection.resume();
    // What went wrong does not matter, only that it is over.
    connection.on('error', () => undefined);
    connection.once('close', () => {
      connections.delete(connection);
      lost = monotonic();
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
    answers: (before) => {
      if (connections.size > 0) return { directMounts: true, directMountsTime: since.toISOString() };
      return before.directMounts && monotonic() - lost < graceMilliseconds ? before : {};
    },
    close: async () => {
      clearTimeout(timer);
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/** What the kernel lists of connections, IPv4 and IPv6; Linux only. */
const tables = ['/proc/net/tcp', '/proc/net/tcp6'];

/** The user at the other end of a connection of this machine; undefined when there is none in the table. */
export function userOf(table: string, { local, remote }: { local: number; remote: number }): number | undefined {
  const port = (number: number) => number.toString(16).toUpperCase().padStart(4, '0');
  for (const line of table.split('\n').slice(1)) {
    const [, from = '', to = '', , , , , user] = line.trim().split(/ +/);
    if (from.endsWith(`:${port(remote)}`) && to.endsWith(`:${port(local)}`)) return Number(user);
  }
  return undefined;
}

/** Whether the user of this process is at the other end; true as well where the kernel does not say who is. */
export function isOwnUser({ localPort: local = 0, remotePort: remote = 0 }: Socket): boolean {
  const own = process.getuid?.();
  const texts = tables.flatMap((path) => {
    try {
      return [readFileSync(path, 'utf8')];
    } catch {
      return [];
    }
  });
  return own === undefined || texts.length === 0 || texts.some((text) => userOf(text, { local, remote }) === own);
}

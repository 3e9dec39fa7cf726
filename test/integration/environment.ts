import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { createClient } from '../../src/kube/client.ts';
import type { Client, ClientOptions } from '../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../src/kube/connection.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { namespaces } from '../../src/kube/resources.ts';

/** Says nothing; set LOG_LEVEL=debug when a test has to be understood. */
export const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });

export interface Connected {
  connection: Connection;
  client: Client;
}

/** A connection of its own to the API server of this kubeconfig, or to another address that leads there. */
export function connect(kubeconfig: string, options: { url?: string } & ClientOptions = {}): Connected {
  const config = loadKubeConfig({ path: kubeconfig });
  const { url } = options;
  if (url !== undefined) config.clusters = config.clusters.map((cluster) => ({ ...cluster, server: url }));
  const connection = createConnection({ config, userAgent: 'monoroot/0.0.0 (test)' });
  return { connection, client: createClient(connection, options) };
}

/** Makes a namespace with an unused name. */
export async function createNamespace(client: Client, prefix = 'test'): Promise<string> {
  const name = `${prefix}-${randomBytes(4).toString('hex')}`;
  await client.create(namespaces, { metadata: { name } });
  return name;
}

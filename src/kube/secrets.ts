import type { Client } from './client.ts';
import { secrets } from './resources.ts';

/** Reads the values of a Secret of one namespace, decoded; undefined when there is none. Every call asks the API server. */
export const secretReader =
  (client: Client, namespace: string) =>
  async (name: string): Promise<Record<string, string> | undefined> => {
    const secret = await client.get(secrets, { name, namespace });
    if (!secret) return undefined;
    const values = Object.entries(secret.data ?? {});
    return Object.fromEntries(values.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  };

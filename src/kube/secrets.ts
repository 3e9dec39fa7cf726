import type { Client } from './client.ts';
import { secrets } from './resources.ts';

export interface DecodedSecret {
  labels: Readonly<Record<string, string>>;
  values: Record<string, string>;
}

/** Reads a Secret of one namespace, its values decoded; undefined when there is none. Every call asks the API server. */
export const secretReader =
  (client: Client, namespace: string) =>
  async (name: string): Promise<DecodedSecret | undefined> => {
    const secret = await client.get(secrets, { name, namespace });
    if (!secret) return undefined;
    const values = Object.entries(secret.data ?? {});
    return {
      labels: secret.metadata.labels ?? {},
      values: Object.fromEntries(values.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])),
    };
  };

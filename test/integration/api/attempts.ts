import { expect } from 'vitest';
import { ApiError } from '../../../src/kube/client.ts';
import type { Client, NewObject } from '../../../src/kube/client.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';

const digits = 'a'.repeat(64);
export const http = { url: 'https://example.org/os.tar.zst', sha256: digits };

/** Sends objects of one kind as a user writes them: without the defaults, and also what the types would not allow. */
export function attemptsOf<T extends KubeObject>(client: Client, resource: Resource<T>, namespace?: string) {
  const send = (name: string, spec: object, dryRun: boolean) => {
    const metadata = { name, ...(namespace !== undefined && { namespace }) };
    return client.create(resource, { metadata, spec } as unknown as NewObject<T>, { dryRun });
  };
  return {
    /** What the API server makes of it; nothing is stored. */
    dryRun: (name: string, spec: object) => send(name, spec, true),
    create: (name: string, spec: object) => send(name, spec, false),
  };
}

/** What the API server says to it; fails when it takes it. */
export async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => new Error('The API server took it'),
    (e: unknown) => e,
  );
  if (!(error instanceof ApiError)) throw error;
  return error.message;
}

/** A name, a bad piece of spec, and what the message must say: the field and the rule. */
export type Row = [string, object, ...(string | RegExp)[]];

export function expectSays(message: string, parts: readonly (string | RegExp)[]): void {
  for (const part of parts) {
    if (typeof part === 'string') expect(message).toContain(part);
    else expect(message).toMatch(part);
  }
}

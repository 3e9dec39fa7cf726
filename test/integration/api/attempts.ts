import { expect } from 'vitest';
import { kinds } from '../../../src/api/kinds.ts';
import { problemsOf } from '../../../src/cli/lint/schema.ts';
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
    const object = { metadata, spec };
    const sent = () => client.create(resource, object as unknown as NewObject<T>, { dryRun });
    return { object, sent };
  };
  const compared = async ({ object, sent }: ReturnType<typeof send>) => {
    const problems = lintOf(resource.kind, object);
    try {
      const made = await sent();
      expect(problems, 'lint says no, and the API server yes').toEqual([]);
      return made;
    } catch (error) {
      if (error instanceof ApiError && [400, 422].includes(error.code))
        expect(problems, `lint says yes, and the API server: ${error.message}`).not.toEqual([]);
      throw error;
    }
  };
  return {
    /** What the API server makes of it; nothing is stored. */
    dryRun: (name: string, spec: object) => compared(send(name, spec, true)),
    create: (name: string, spec: object) => compared(send(name, spec, false)),
    /** Under a definition that is not that of today, which lint does not know. */
    createBefore: (name: string, spec: object) => send(name, spec, false).sent(),
  };
}

/** What `kubectl monoroot lint` finds in the same object, as it is sent: it knows the rules of the API server, and no API server. */
function lintOf(kind: string, object: object): string[] {
  const definition = kinds.find((it) => it.kind === kind);
  if (!definition) throw new Error(`There is no kind ${kind}`);
  const sent = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
  return problemsOf(definition, sent).map(({ path, message }) => `${path.join('.')}: ${message}`);
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

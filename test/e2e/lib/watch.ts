import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { pathOf } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject, ObjectName } from '../../../src/runtime/object.ts';
import { kubectl } from './system.ts';

/** One thing that a watch told. */
export interface Sighting<T> {
  /** Milliseconds since 1970. */
  at: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: T;
}

/** Where a test says what is to be done at its end. Of its own context: vitest's global one may be that of a test beside it. */
export interface Ending {
  onTestFinished: (end: () => void) => void;
}

/** Writes down every state that an object of this name has, until the test ends; goes on after an API server was away. */
export const record = <T extends KubeObject>(
  ending: Ending,
  resource: Resource<T>,
  { name, namespace }: ObjectName,
): Sighting<T>[] => recordAll(ending, resource, { namespace }, `fieldSelector=metadata.name=${name}`);

/** The same of all objects that a selector selects, written as in a URL. */
export function recordAll<T extends KubeObject>(
  { onTestFinished }: Ending,
  resource: Resource<T>,
  where: { namespace?: string | undefined },
  selector: string,
): Sighting<T>[] {
  const seen: Sighting<T>[] = [];
  const path = `${pathOf(resource, where)}?watch=1&${selector}`;
  const ended = new AbortController();
  const known = new Set<string>();
  const follow = async () => {
    const child = spawn('kubectl', ['get', '--raw', path], { env: kubectl.env, stdio: ['ignore', 'pipe', 'ignore'] });
    ended.signal.addEventListener('abort', () => child.kill());
    for await (const line of createInterface({ input: child.stdout })) {
      const { type, object } = JSON.parse(line) as Sighting<T>;
      const revision = `${type === 'DELETED' ? type : ''}${object.metadata.uid ?? ''}/${object.metadata.resourceVersion ?? ''}`;
      if (!known.has(revision)) seen.push({ at: Date.now(), type, object });
      known.add(revision);
    }
  };
  const forever = async () => {
    while (!ended.signal.aborted) {
      await follow().catch(() => undefined);
      await delay(300);
    }
  };
  void forever();
  onTestFinished(() => ended.abort());
  return seen;
}

/** The different objects that were seen, in order: for Pods, how many were made. */
export const uidsOf = (seen: readonly Sighting<KubeObject>[]): string[] => [
  ...new Set(seen.map(({ object }) => object.metadata.uid ?? '')),
];

/** The first sighting for which `holds` is true, once there is one. */
export async function sighted<T>(
  seen: readonly Sighting<T>[],
  description: string,
  holds: (s: Sighting<T>) => boolean,
  seconds = 60,
): Promise<Sighting<T>> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const hit = seen.find(holds);
    if (hit) return hit;
    if (Date.now() > until) throw new Error(`Not seen within ${seconds} s: ${description}`);
    await delay(20);
  }
}

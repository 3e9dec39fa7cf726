import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import type { Client } from '../kube/client.ts';
import type { Resource } from '../kube/resources.ts';
import type { KubeObject, ObjectName } from '../runtime/object.ts';
import { keyOf } from '../runtime/object.ts';
import { Reflector } from '../runtime/reflector.ts';

/** How often a countdown moves. */
const tickMilliseconds = 1000;

/**
 * An object as it is now, and again every second and at each change until the signal aborts; undefined once it is deleted. An API
 * server that is away for a while is waited for.
 */
export async function* followObject<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  { namespace, name }: ObjectName,
  signal: AbortSignal,
): AsyncGenerator<T | undefined> {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const selection = { ...(namespace !== undefined && { namespace }), fieldSelector: `metadata.name=${name}` };
  const reflector = new Reflector({
    name: resource.plural,
    source: client.listWatcher(resource, selection),
    logger: pino({ level: 'silent' }),
  });
  const running = reflector.run(until);
  try {
    await reflector.synced(until);
    while (!until.aborted) {
      yield reflector.store.get(keyOf({ namespace, name }));
      const change = new AbortController();
      const forget = reflector.store.subscribe((_key, old) => old && change.abort());
      await wait(tickMilliseconds, undefined, { signal: AbortSignal.any([until, change.signal]) }).catch(
        () => undefined,
      );
      forget();
    }
  } finally {
    stop.abort();
    await running;
  }
}

import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { Client } from '../../kube/client.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import { Reflector } from '../../runtime/reflector.ts';
import { unknownDistribution } from './change.ts';

/** How often a countdown moves. */
const tickMilliseconds = 1000;

const selection = (name: string) => ({ fieldSelector: `metadata.name=${name}` });

/** The distribution, asked for as `follow` does: whoever may not do that is reported now. Throws an error for users when there is none. */
export async function readToFollow(client: Client, name: string): Promise<ImageDistribution> {
  const [distribution] = await client.list(imageDistributions, selection(name));
  return distribution ?? unknownDistribution(name);
}

/**
 * A distribution as it is now, and again every second and at each change until the signal aborts; undefined once it is deleted.
 * An API server that is away for a while is waited for.
 */
export async function* follow(
  client: Client,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<ImageDistribution | undefined> {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const reflector = new Reflector({
    name: 'imagedistributions',
    source: client.listWatcher(imageDistributions, selection(name)),
    logger: pino({ level: 'silent' }),
  });
  const running = reflector.run(until);
  try {
    await reflector.synced(until);
    while (!until.aborted) {
      yield reflector.store.get(name);
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

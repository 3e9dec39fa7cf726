import type { Client, Selection } from '../../src/kube/client.ts';
import { configMaps } from '../../src/kube/resources.ts';
import type { ConfigMap } from '../../src/api/kubernetes/objects.ts';
import { Reflector } from '../../src/runtime/reflector.ts';
import type { ReflectorOptions, WatchEnd } from '../../src/runtime/reflector.ts';
import { logger } from './environment.ts';

/** A running reflector of ConfigMaps and all that it told. */
export interface Follower {
  reflector: Reflector<ConfigMap>;
  /** How many objects each whole list had. */
  lists: number[];
  watchEnds: WatchEnd[];
  /** `+name`, `~name` or `-name` for each change told to subscribers. */
  changes: string[];
  /** `name=<data.value>` of all objects in the store, sorted. */
  contents(): string[];
  stop(): Promise<void>;
}

export function follow(
  client: Client,
  selection: Selection,
  options: Partial<ReflectorOptions<ConfigMap>> = {},
): Follower {
  const lists: number[] = [];
  const watchEnds: WatchEnd[] = [];
  const changes: string[] = [];
  const reflector = new Reflector<ConfigMap>({
    name: 'configmaps',
    source: client.listWatcher(configMaps, selection),
    logger,
    hooks: {
      listed: (objects) => lists.push(objects),
      watchEnded: (why) => watchEnds.push(why),
      event: () => undefined,
    },
    ...options,
  });
  reflector.store.subscribe((_key, old, current) => {
    const sign = old && current ? '~' : current ? '+' : '-';
    changes.push(`${sign}${(current ?? old)?.metadata.name ?? ''}`);
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  return {
    reflector,
    lists,
    watchEnds,
    changes,
    contents: () => reflector.store.list().map(describe).sort(),
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

const describe = ({ metadata, data }: ConfigMap) => `${metadata.name}=${data?.['value'] ?? ''}`;

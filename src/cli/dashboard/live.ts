import type { Logger } from 'pino';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Client, Selection } from '../../kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import type { Resource } from '../../kube/resources.ts';
import { ApiError } from '../../runtime/errors.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { Reflector } from '../../runtime/reflector.ts';
import type { ListWatcher } from '../../runtime/reflector.ts';
import { formatTime } from '../../runtime/time.ts';
import type { Scene } from '../scene/scene.ts';
import type { KindHealth } from './views.ts';

/** One kind, followed: what is known of it, and how well. */
export interface Followed<T extends KubeObject> {
  reflector: Reflector<T>;
  health: () => KindHealth;
}

/** All that the page is made of, as the API server has it at this moment. */
export interface Live {
  scene: () => Scene;
  health: () => KindHealth[];
  /** Calls back after each change, of objects or of health, until the returned function is called. */
  subscribe: (changed: () => void) => () => void;
  /** Follows other objects, for as long as one page shows them. */
  follow: <T extends KubeObject>(resource: Resource<T>, selection: Selection, changed: () => void) => Followed<T>;
  run: (signal: AbortSignal) => Promise<void>;
}

export interface LiveOptions {
  client: Client;
  /** The only namespace whose containers are looked at. */
  namespace?: string | undefined;
  logger: Logger;
  now: () => Date;
}

/** Follows the four kinds of Monoroot with reflectors: nothing is polled. What may not be read is said, and asked for again now and then. */
export function followFleet({ client, namespace, logger, now }: LiveOptions): Live {
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const follow = <T extends KubeObject>(
    resource: Resource<T>,
    selection: Selection,
    told: () => void,
    transform?: (object: T) => T,
  ): Followed<T> => {
    const health = new Health(resource.plural, now, told);
    const reflector = new Reflector<T>({
      name: resource.plural,
      source: health.watching(client.listWatcher(resource, selection)),
      logger,
      backoff: { initialMilliseconds: 800, maxMilliseconds: 10_000 },
      ...(transform && { transform }),
    });
    reflector.store.subscribe(told);
    return { reflector, health: () => health.told() };
  };
  const images = follow(osImages, {}, changed);
  const distributions = follow(imageDistributions, {}, changed);
  const stores = follow(nodeStores, {}, changed);
  const containers = follow(hostedContainers, { namespace }, changed, withoutWhatNoViewShows);
  const all = [images, distributions, stores, containers];
  return {
    scene: () => ({
      osImages: images.reflector.store.list(),
      distributions: distributions.reflector.store.list(),
      nodeStores: stores.reflector.store.list(),
      containers: containers.reflector.store.list(),
      unseen: all.map((it) => it.health()).flatMap(({ kind, state }) => (state === 'Forbidden' ? [kind] : [])),
    }),
    health: () => all.map((it) => it.health()),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    follow,
    async run(signal) {
      await Promise.all(all.map(({ reflector }) => reflector.run(signal)));
    },
  };
}

/**
 * Values of variables, commands and pieces of Pods are most of a container, may hold what is secret, and are on no page. Where something failed
 * they stay, because what failed is recognised by their hash; they are sent to no one.
 */
function withoutWhatNoViewShows(container: HostedContainer): HostedContainer {
  const { annotations: _annotations, ...metadata } = container.metadata;
  if ((container.status?.failedImages ?? []).length > 0) return { ...container, metadata };
  const { image, imagePolicy, upgrade, suspend, replicas } = container.spec;
  // Those fields alone are looked at of a container that has failed with nothing.
  return {
    ...container,
    metadata,
    spec: { image, imagePolicy, upgrade, suspend, replicas } as HostedContainer['spec'],
  };
}

/** What the calls of one reflector say about it. */
class Health {
  readonly #now: () => Date;
  readonly #changed: () => void;
  #told: KindHealth;

  constructor(kind: string, now: () => Date, changed: () => void) {
    this.#now = now;
    this.#changed = changed;
    this.#told = { kind, state: 'Reading', since: formatTime(now()) };
  }

  told(): KindHealth {
    return this.#told;
  }

  watching<T extends KubeObject>(source: ListWatcher<T>): ListWatcher<T> {
    const noted = async <A>(call: Promise<A>, state: KindHealth['state'] | undefined): Promise<A> => {
      try {
        const answer = await call;
        if (state !== undefined) this.#become(state);
        return answer;
      } catch (error) {
        if (!isAborted(error)) this.#become(stateOf(error), messageOf(error));
        throw error;
      }
    };
    return {
      // One page of a list is not all of it.
      list: (options) => noted(source.list(options), undefined),
      watch: (options) => noted(source.watch(options), 'Live'),
    };
  }

  #become(state: KindHealth['state'], message?: string): void {
    if (this.#told.state === state && this.#told.message === message) return;
    const since = this.#told.state === state ? this.#told.since : formatTime(this.#now());
    this.#told = {
      kind: this.#told.kind,
      state,
      ...(since !== undefined && { since }),
      ...(message !== undefined && { message }),
    };
    this.#changed();
  }
}

const isAborted = (error: unknown) => error instanceof Error && error.name === 'AbortError';

function stateOf(error: unknown): KindHealth['state'] {
  if (!(error instanceof ApiError)) return 'Away';
  return error.code === 401 || error.code === 403 || error.code === 404 ? 'Forbidden' : 'Away';
}

function messageOf(error: unknown): string {
  if (error instanceof ApiError && error.code === 404)
    return 'The cluster does not know this kind; install Monoroot first';
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
}

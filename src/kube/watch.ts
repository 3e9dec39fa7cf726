import type { KubeObject } from '../runtime/object.ts';
import type { ListPage, ListWatcher, WatchEvent } from '../runtime/reflector.ts';
import type { CallOptions, Connection } from './connection.ts';
import { apiVersionOf, pathOf } from './resources.ts';
import type { Resource } from './resources.ts';
import { apiErrorOf } from './status.ts';
import { lines } from '../runtime/lines.ts';

/** Which objects of a kind; without a namespace those of all namespaces. */
export interface Selection {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

interface RawList<T> {
  metadata: { resourceVersion: string; continue?: string };
  items: T[] | null;
}

type RawEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: T }
  | { type: 'ERROR'; object: { code?: number; reason?: string; message?: string } };

/** The port of the runtime, with a limit of time for each page. */
export interface KubeListWatcher<T> extends ListWatcher<T> {
  list(options: Parameters<ListWatcher<T>['list']>[0] & CallOptions): Promise<ListPage<T>>;
}

/** Lists and watches a kind as raw JSON: no classes, no copies. */
export function createListWatcher<T extends KubeObject>(
  connection: Connection,
  resource: Resource<T>,
  selection: Selection,
): KubeListWatcher<T> {
  const { namespace, labelSelector, fieldSelector } = selection;
  const path = pathOf(resource, { namespace });
  const identity = { apiVersion: apiVersionOf(resource), kind: resource.kind };

  return {
    async list({ limit, continue: next, resourceVersion, ...call }) {
      const query = { labelSelector, fieldSelector, limit, continue: next, resourceVersion };
      const list = JSON.parse(await connection.request({ ...call, method: 'GET', path, query })) as RawList<T>;
      // The items of a list of a built-in kind do not say what they are; elsewhere they do.
      const items = (list.items ?? []).map((item) => Object.assign(item, identity));
      return { items, resourceVersion: list.metadata.resourceVersion, continue: list.metadata.continue };
    },
    async watch({ resourceVersion, timeoutSeconds, signal }) {
      const query = {
        labelSelector,
        fieldSelector,
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion,
        timeoutSeconds,
      };
      return parseEvents<T>(await connection.stream({ method: 'GET', path, query, signal }));
    },
  };
}

async function* parseEvents<T extends KubeObject>(chunks: AsyncIterable<Uint8Array>): AsyncIterable<WatchEvent<T>> {
  for await (const line of lines(chunks)) yield parseEvent<T>(line);
}

function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as RawEvent<T>;
  if (event.type === 'ERROR') throw apiErrorOf(event.object, 500);
  if (event.type !== 'BOOKMARK') return { type: event.type, object: event.object };
  return { type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion ?? '' };
}

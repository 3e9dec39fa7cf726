import { annotations, labels } from '../../../src/api/names.ts';
import type { Client } from '../../../src/kube/client.ts';
import { pods } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/api/kubernetes/objects.ts';
import { isServing } from './availability.ts';
import type { PodChange } from './availability.ts';

/** Every revision of every Pod of a namespace, as one watch told them from before the first on: the API server's own record. */
export interface Record {
  readonly changes: readonly PodChange[];
  /** How many containers serve on the image now. */
  serving(image: string): number;
  /** The image that a container serves on now. */
  imageServed(name: string): string | undefined;
  /** Resolves when it is so, after a change of any Pod; rejects after `seconds`. */
  until(what: string, holds: () => boolean, seconds: number): Promise<void>;
  /** Compares what the record ends with to what the API server lists now; throws when anything was missed. */
  verify(): Promise<void>;
  /** Rejects when the record cannot be kept whole any more. */
  readonly failed: Promise<never>;
}

const ourPods = `${labels.managedBy}=monoroot`;

export async function keepRecord(client: Client, namespace: string, signal: AbortSignal): Promise<Record> {
  const source = client.listWatcher(pods, { namespace, labelSelector: ourPods });
  const start = await source.list({ limit: 1 });
  if (start.items.length > 0) throw new Error('There are Pods already; a record has to begin before the first');
  const changes: PodChange[] = [];
  const latest = new Map<string, PodChange>();
  const counts = new Map<string, number>();
  const listeners = new Set<() => void>();

  function add(change: PodChange): void {
    const last = changes.at(-1)?.revision ?? 0;
    if (change.revision <= last) throw new Error(`The watch told revision ${change.revision} after ${last}`);
    const old = latest.get(change.name);
    if (old && isServing(old)) counts.set(old.image, (counts.get(old.image) ?? 0) - 1);
    if (isServing(change)) counts.set(change.image, (counts.get(change.image) ?? 0) + 1);
    changes.push(change);
    if (change.gone) latest.delete(change.name);
    else latest.set(change.name, change);
    for (const listener of listeners) listener();
  }

  async function watch(): Promise<never> {
    let resourceVersion = start.resourceVersion;
    for (;;) {
      // A watch goes on exactly where the last one ended, or fails: nothing is ever listed again.
      for await (const event of await source.watch({ resourceVersion, timeoutSeconds: 1800, signal })) {
        if (event.type === 'BOOKMARK') {
          resourceVersion = event.resourceVersion;
          continue;
        }
        resourceVersion = event.object.metadata.resourceVersion ?? '';
        add(changeOf(event.object, event.type === 'DELETED'));
      }
    }
  }
  const failed = watch();
  failed.catch(() => undefined);

  return {
    changes,
    failed,
    serving: (image) => counts.get(image) ?? 0,
    imageServed: (name) => {
      const last = latest.get(name);
      return last && isServing(last) ? last.image : undefined;
    },
    until: (what, holds, seconds) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!holds()) return;
          end();
          resolve();
        };
        const timer = setTimeout(() => {
          end();
          const now = [...counts].map(([image, count]) => `${count} on ${image}`).join(', ');
          reject(new Error(`Not within ${seconds} s: ${what}. Serving now: ${now || 'none'}`));
        }, seconds * 1000);
        const end = () => {
          clearTimeout(timer);
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    async verify() {
      const listed = new Map((await client.list(pods, { namespace, labelSelector: ourPods })).map((pod) => {
        const { name, uid, ready, deleting } = changeOf(pod, false);
        return [name, `${uid} ${ready} ${deleting}`];
      })); // prettier-ignore
      const wrong = [...new Set([...listed.keys(), ...latest.keys()])].filter((name) => {
        const last = latest.get(name);
        return listed.get(name) !== (last && `${last.uid} ${last.ready} ${last.deleting}`);
      });
      const example = wrong[0];
      if (example !== undefined)
        throw new Error(`The record has missed something of ${wrong.length} Pods, such as ${example}`);
    },
  };
}

function changeOf(pod: Pod, gone: boolean): PodChange {
  const { name, uid = '', resourceVersion, deletionTimestamp } = pod.metadata;
  return {
    revision: Number(resourceVersion),
    time: Date.now(),
    name,
    uid,
    image: pod.metadata.annotations?.[annotations.image] ?? '',
    ready: pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    deleting: deletionTimestamp !== undefined,
    gone,
  };
}

import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { hostedContainerDefinition } from '../../src/api/hostedcontainer.ts';
import { imageDistributionDefinition } from '../../src/api/imagedistribution.ts';
import { nodeStoreDefinition } from '../../src/api/nodestore.ts';
import { osImageDefinition } from '../../src/api/osimage.ts';
import type { Client, JsonPatchOperation } from '../../src/kube/client.ts';
import type { Resource } from '../../src/kube/resources.ts';
import { ApiError } from '../../src/runtime/errors.ts';
import { keyOf } from '../../src/runtime/object.ts';
import type { KubeObject, ObjectName } from '../../src/runtime/object.ts';
import type { ListWatcher, WatchEvent } from '../../src/runtime/reflector.ts';
import { applyFields, jsonPatch, leavesOf, mergePatch } from './fields.ts';
import type { Json } from './fields.ts';

/**
 * A model of an API server, in the memory of one process and on a clock that the simulation moves: revisions, preconditions,
 * server-side apply, watches that lag, deletion with grace and garbage collection. It answers how the operator behaves over
 * hours of trouble. How the real API server behaves is for the tests in test/integration.
 */

/** The owner of fields, as in `metadata.managedFields`. */
interface Manager {
  manager: string;
  operation: 'Apply' | 'Update';
  subresource?: string;
  time: string;
  leaves: Set<string>;
}

interface Entry {
  object: KubeObject & Json;
  managers: Manager[];
}

export interface Write {
  who: string;
  verb: 'create' | 'apply' | 'applyStatus' | 'patch' | 'delete';
  kind: string;
  key: string;
  /** The object before, if there was one. */
  before?: KubeObject & Json;
  /** What was sent. */
  body: Json;
  /** False when the object was like that already. */
  changed: boolean;
}

export interface ApiHooks {
  /** Called before each request; may throw the error that the request must fail with. */
  before?: (who: string, verb: string, kind: string, isWrite: boolean) => void;
  /** Called after each write that was accepted, dry runs excepted. */
  wrote?: (write: Write) => void;
  /** Why a new object is refused, if it is. */
  refusal?: (object: KubeObject & Json) => string | undefined;
  log?: (pod: ObjectName) => string;
}

const schemas: Record<string, { spec: z.ZodType; status: z.ZodType }> = {
  HostedContainer: hostedContainerDefinition,
  ImageDistribution: imageDistributionDefinition,
  NodeStore: nodeStoreDefinition,
  OSImage: osImageDefinition,
};

const notFound = (what: string) => new ApiError({ code: 404, reason: 'NotFound', message: `${what} not found` });
const conflict = (message: string) => new ApiError({ code: 409, reason: 'Conflict', message });
const invalid = (message: string) => new ApiError({ code: 422, reason: 'Invalid', message });

interface Feed {
  resource: Resource<KubeObject>;
  matches: (object: KubeObject) => boolean;
  queue: WatchEvent<KubeObject>[];
  /** How many of the queue may be seen. */
  released: number;
  wake: () => void;
  closed: boolean;
}

/** What a patch of any kind comes to. */
interface Patched {
  who: string;
  resource: Resource<KubeObject>;
  entry: Entry;
  merged: KubeObject & Json;
  body: Json;
  fieldManager: string;
  subresource: 'status' | undefined;
  dryRun: boolean;
}

export class SimulatedApi {
  readonly hooks: ApiHooks;
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #now: () => Date;
  #feeds: Feed[] = [];
  #revision = 1;
  #uid = 0;

  constructor(now: () => Date, hooks: ApiHooks = {}) {
    this.#now = now;
    this.hooks = hooks;
  }

  /** The objects of a kind as they are stored. Not to be changed. */
  all<T extends KubeObject>(resource: Resource<T>): T[] {
    return [...this.#of(resource).values()].map(({ object }) => object as unknown as T);
  }

  find<T extends KubeObject>(resource: Resource<T>, name: ObjectName): T | undefined {
    return this.#of(resource).get(keyOf(name))?.object as T | undefined;
  }

  /** Ends all watches: their process is gone. */
  disconnect(): void {
    for (const feed of this.#feeds) {
      feed.closed = true;
      feed.wake();
    }
    this.#feeds = [];
  }

  /** Lets watches see more: each of them up to `most` events. */
  deliver(most: () => number): void {
    for (const feed of this.#feeds) {
      feed.released = Math.min(feed.queue.length, feed.released + most());
      feed.wake();
    }
  }

  /** Events that no watch has seen yet. */
  undelivered(): number {
    return this.#feeds.reduce((sum, feed) => sum + feed.queue.length, 0);
  }

  /** A client that acts as `who`. */
  client(who: string): Client {
    const read = async <T>(verb: string, kind: string, get: () => T): Promise<T> => {
      await Promise.resolve();
      this.hooks.before?.(who, verb, kind, false);
      return structuredClone(get());
    };
    const write = async <T>(verb: string, kind: string, change: () => T, dryRun = false): Promise<T> => {
      await Promise.resolve();
      this.hooks.before?.(who, verb, kind, !dryRun);
      const result = structuredClone(change());
      await Promise.resolve();
      return result;
    };
    return {
      get: (resource, name) => read('get', resource.kind, () => this.find(resource, name)),
      list: (resource, selection) =>
        read('list', resource.kind, () => this.all(resource).filter((it) => selects(selection, it))),
      create: (resource, object, options = {}) =>
        write(
          'create',
          resource.kind,
          () => this.#create(who, resource, object as unknown as KubeObject & Json, options) as never,
          options.dryRun,
        ),
      update: () => Promise.reject(new Error('The operator updates nothing whole')),
      apply: (resource, object, options) =>
        write(
          'apply',
          resource.kind,
          () => this.#apply(who, resource, object as unknown as KubeObject & Json, options, false) as never,
          options.dryRun,
        ),
      applyStatus: (resource, object, options) =>
        write(
          'applyStatus',
          resource.kind,
          () => this.#apply(who, resource, object as unknown as KubeObject & Json, options, true) as never,
          options.dryRun,
        ),
      mergePatch: (resource, name, patch, options = {}) =>
        write(
          'patch',
          resource.kind,
          () => this.#patch(who, resource, name, patch as Json, options) as never,
          options.dryRun,
        ),
      jsonPatch: (resource, name, operations, options = {}) =>
        write(
          'patch',
          resource.kind,
          () => this.#jsonPatch(who, resource, name, operations, options) as never,
          options.dryRun,
        ),
      delete: (resource, name, options = {}) =>
        write('delete', resource.kind, () => this.#delete(who, resource, name, options), options.dryRun),
      podLog: (name) => read('log', 'Pod', () => this.hooks.log?.(name) ?? ''),
      listWatcher: (resource, selection) => this.#listWatcher(resource, selection) as never,
    };
  }

  #of(resource: Pick<Resource<KubeObject>, 'kind'>): Map<string, Entry> {
    const found = this.#entries.get(resource.kind) ?? new Map<string, Entry>();
    this.#entries.set(resource.kind, found);
    return found;
  }

  #create(
    who: string,
    resource: Resource<KubeObject>,
    object: KubeObject & Json,
    { dryRun = false, fieldManager = who }: { dryRun?: boolean; fieldManager?: string },
  ) {
    const key = keyOf(object.metadata);
    if (this.#of(resource).has(key))
      throw new ApiError({ code: 409, reason: 'AlreadyExists', message: `${key} already exists` });
    const refused = this.hooks.refusal?.(object);
    if (refused !== undefined) throw new ApiError({ code: 403, reason: 'Forbidden', message: refused });
    const made = this.#stored(resource, structuredClone(object));
    if (dryRun) return made;
    const { metadata: _m, apiVersion: _a, kind: _k, ...content } = structuredClone(object) as Json;
    const manager: Manager = {
      manager: fieldManager,
      operation: 'Update',
      time: this.#now().toISOString(),
      leaves: new Set(leavesOf(content).keys()),
    };
    this.#of(resource).set(key, { object: made, managers: [manager] });
    this.#tell(resource, 'ADDED', made);
    this.hooks.wrote?.({ who, verb: 'create', kind: resource.kind, key, body: object, changed: true });
    return made;
  }

  /** As it is stored when it is new. */
  #stored(resource: Resource<KubeObject>, object: KubeObject & Json): KubeObject & Json {
    const schema = schemas[resource.kind];
    const spec = schema && parse(schema.spec, object['spec'] ?? {}, 'spec');
    return {
      ...object,
      ...(spec !== undefined && { spec }),
      apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
      kind: resource.kind,
      metadata: {
        ...object.metadata,
        uid: `uid-${++this.#uid}`,
        generation: 1,
        resourceVersion: String(++this.#revision),
        creationTimestamp: wholeSeconds(this.#now()),
      },
    };
  }

  /** An apply of an object that is not there yet. */
  #applyNew(
    who: string,
    resource: Resource<KubeObject>,
    object: KubeObject & Json,
    { status, ...call }: { fieldManager: string; dryRun: boolean; status: boolean },
  ) {
    const { uid, resourceVersion } = object.metadata;
    const key = keyOf(object.metadata);
    if (status || uid !== undefined || resourceVersion !== undefined) throw notFound(`${resource.kind} ${key}`);
    const made = this.#create(who, resource, object, call);
    for (const manager of this.#of(resource).get(key)?.managers ?? []) manager.operation = 'Apply';
    return made;
  }

  #apply(
    who: string,
    resource: Resource<KubeObject>,
    object: KubeObject & Json,
    { fieldManager, force = true, dryRun = false }: { fieldManager: string; force?: boolean; dryRun?: boolean },
    status: boolean,
  ) {
    const key = keyOf(object.metadata);
    const entry = this.#of(resource).get(key);
    const { uid, resourceVersion } = object.metadata;
    if (!entry) return this.#applyNew(who, resource, object, { fieldManager, dryRun, status });
    this.#check(entry, uid, resourceVersion);
    const sent = sentFields(object, status);
    const mine = entry.managers.find((it) => isApplier(it, fieldManager, status));
    const others = entry.managers.filter((it) => it !== mine);
    const merged = applyFields(entry.object, sent, mine?.leaves ?? new Set(), others);
    if (!force && merged.taken.size > 0) throw conflict(`fields of ${key} are owned by others`);
    const result = this.#replace(resource, entry, merged.object as KubeObject & Json, dryRun, status);
    if (dryRun) return result.object;
    for (const [other, gone] of merged.taken) for (const leaf of gone) other.leaves.delete(leaf);
    const now = this.#now().toISOString();
    const manager = appliedBy(fieldManager, status, merged.leaves, writeTime(result.changed, mine, now));
    entry.managers = [...others.filter((it) => it.leaves.size > 0), manager];
    const verb = status ? 'applyStatus' : 'apply';
    this.hooks.wrote?.({
      who,
      verb,
      kind: resource.kind,
      key,
      body: sent,
      before: result.before,
      changed: result.changed,
    });
    return result.object;
  }

  #patch(
    who: string,
    resource: Resource<KubeObject>,
    name: ObjectName,
    patch: Json,
    {
      fieldManager = who,
      subresource,
      dryRun = false,
    }: { fieldManager?: string; subresource?: 'status'; dryRun?: boolean },
  ) {
    const key = keyOf(name);
    const entry = this.#of(resource).get(key);
    if (!entry) throw notFound(`${resource.kind} ${key}`);
    const { uid, resourceVersion } = (patch['metadata'] ?? {}) as { uid?: string; resourceVersion?: string };
    this.#check(entry, uid, resourceVersion);
    const merged = mergePatch(structuredClone(entry.object), patch) as KubeObject & Json;
    return this.#patched({ who, resource, entry, merged, body: patch, fieldManager, subresource, dryRun });
  }

  #jsonPatch(
    who: string,
    resource: Resource<KubeObject>,
    name: ObjectName,
    operations: readonly JsonPatchOperation[],
    { fieldManager = who, dryRun = false }: { fieldManager?: string; dryRun?: boolean },
  ) {
    const key = keyOf(name);
    const entry = this.#of(resource).get(key);
    if (!entry) throw notFound(`${resource.kind} ${key}`);
    const merged = jsonPatch(structuredClone(entry.object), operations) as (KubeObject & Json) | undefined;
    if (!merged) throw conflict(`${key} is not as it was`);
    const body = Object.fromEntries(operations.map((it) => [it.path, 'value' in it ? it.value : undefined]));
    return this.#patched({ who, resource, entry, merged, body, fieldManager, subresource: undefined, dryRun });
  }

  /** The end of every patch: stores the object, and who owns what has changed. */
  #patched({ who, resource, entry, merged, body, fieldManager, subresource, dryRun }: Patched) {
    const key = keyOf(entry.object.metadata);
    const before = entry.object;
    // Each endpoint changes its part only.
    const next: KubeObject & Json =
      subresource === 'status' ? { ...before, status: merged['status'] } : { ...merged, status: before['status'] };
    next.metadata = { ...next.metadata, uid: before.metadata.uid, resourceVersion: before.metadata.resourceVersion };
    const changed = new Set<string>();
    const present = leavesOf(before);
    for (const [leaf, value] of leavesOf(next)) if (!isDeepStrictEqual(present.get(leaf), value)) changed.add(leaf);
    const result = this.#replace(resource, entry, next, dryRun, subresource === 'status');
    if (dryRun) return result.object;
    for (const manager of entry.managers) for (const leaf of changed) manager.leaves.delete(leaf);
    entry.managers.push({
      manager: fieldManager,
      operation: 'Update',
      ...(subresource && { subresource }),
      time: this.#now().toISOString(),
      leaves: changed,
    });
    entry.managers = entry.managers.filter((it) => it.leaves.size > 0);
    this.hooks.wrote?.({ who, verb: 'patch', kind: resource.kind, key, before, body, changed: result.changed });
    return result.object;
  }

  #delete(
    who: string,
    resource: Resource<KubeObject>,
    name: ObjectName,
    {
      uid,
      gracePeriodSeconds,
      dryRun = false,
    }: { uid?: string | undefined; gracePeriodSeconds?: number | undefined; dryRun?: boolean },
  ): boolean {
    const key = keyOf(name);
    const entry = this.#of(resource).get(key);
    if (!entry || (uid !== undefined && entry.object.metadata.uid !== uid)) return false;
    if (dryRun) return true;
    const before = entry.object;
    const finalizers = (before.metadata as { finalizers?: string[] }).finalizers ?? [];
    const isScheduled = resource.kind === 'Pod' && (before['spec'] as { nodeName?: string }).nodeName !== undefined;
    const waits = finalizers.length > 0 || (isScheduled && gracePeriodSeconds !== 0);
    let changed = true;
    if (!waits) this.#remove(resource, entry);
    else if (before.metadata.deletionTimestamp === undefined) {
      const next = structuredClone(before);
      next.metadata.deletionTimestamp = wholeSeconds(this.#now());
      next.metadata.generation = (next.metadata.generation ?? 0) + 1;
      this.#store(resource, entry, next);
    } else changed = false;
    this.hooks.wrote?.({ who, verb: 'delete', kind: resource.kind, key, before, body: {}, changed });
    return true;
  }

  #check({ object }: Entry, uid: string | undefined, resourceVersion: string | undefined): void {
    if (uid !== undefined && uid !== object.metadata.uid)
      throw conflict(`the uid of ${object.metadata.name} is another one`);
    if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion)
      throw conflict(`${object.metadata.name} has been modified`);
  }

  #replace(resource: Resource<KubeObject>, entry: Entry, object: KubeObject & Json, dryRun: boolean, status: boolean) {
    const before = entry.object;
    const schema = schemas[resource.kind];
    const next = { ...object };
    if (schema && status) parse(schema.status, next['status'] ?? {}, 'status');
    else if (schema) next['spec'] = parse(schema.spec, next['spec'] ?? {}, 'spec');
    const plain = JSON.parse(JSON.stringify(next)) as KubeObject & Json;
    if (isDeepStrictEqual(plain, before)) return { object: before, before, changed: false };
    if (!isDeepStrictEqual(plain['spec'], before['spec']))
      plain.metadata.generation = (before.metadata.generation ?? 0) + 1;
    if (dryRun) return { object: plain, before, changed: true };
    this.#store(resource, entry, plain);
    const finalizers = (plain.metadata as { finalizers?: string[] }).finalizers ?? [];
    if (plain.metadata.deletionTimestamp !== undefined && finalizers.length === 0 && resource.kind !== 'Pod')
      this.#remove(resource, entry);
    return { object: plain, before, changed: true };
  }

  #store(resource: Resource<KubeObject>, entry: Entry, object: KubeObject & Json): void {
    object.metadata.resourceVersion = String(++this.#revision);
    entry.object = object;
    this.#tell(resource, 'MODIFIED', object);
  }

  #remove(resource: Resource<KubeObject>, entry: Entry): void {
    const { object } = entry;
    this.#of(resource).delete(keyOf(object.metadata));
    this.#tell(resource, 'DELETED', {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#revision) },
    });
  }

  /** As the garbage collector: what has only owners that are gone goes too. */
  collectGarbage(resources: readonly Resource<KubeObject>[]): void {
    const uids = new Set(
      [...this.#entries.values()].flatMap((of) => [...of.values()].map(({ object }) => object.metadata.uid)),
    );
    for (const resource of resources) {
      for (const { object } of [...this.#of(resource).values()]) {
        const owners = (object.metadata as { ownerReferences?: { uid: string }[] }).ownerReferences ?? [];
        if (owners.length > 0 && owners.every(({ uid }) => !uids.has(uid)))
          this.#delete('garbage-collector', resource, object.metadata, { uid: object.metadata.uid });
      }
    }
  }

  #listWatcher(
    resource: Resource<KubeObject>,
    selection: { labelSelector?: string | undefined; namespace?: string | undefined } | undefined,
  ): ListWatcher<KubeObject> {
    const matches = (object: KubeObject) => selects(selection, object);
    return {
      list: async () => {
        await Promise.resolve();
        const items = this.all(resource)
          .filter(matches)
          .map((it) => this.#outward(resource, it));
        return { items, resourceVersion: String(this.#revision) };
      },
      watch: async ({ signal }) => {
        await Promise.resolve();
        let resume: () => void = () => undefined;
        const feed: Feed = { resource, matches, queue: [], released: 0, closed: false, wake: () => resume() };
        this.#feeds.push(feed);
        signal.addEventListener('abort', () => {
          feed.closed = true;
          feed.wake();
        });
        return (async function* () {
          while (!feed.closed) {
            if (feed.released > 0) {
              feed.released -= 1;
              const event = feed.queue.shift();
              if (event) yield event;
            } else await new Promise<void>((resolve) => (resume = resolve));
          }
        })();
      },
    };
  }

  #outward(resource: Resource<KubeObject>, object: KubeObject): KubeObject {
    const managers = this.#of(resource).get(keyOf(object.metadata))?.managers ?? [];
    const managedFields = managers.map(({ manager, operation, subresource, time }) => ({
      manager,
      operation,
      ...(subresource && { subresource }),
      time,
      fieldsV1: {},
    }));
    const copy = structuredClone(object);
    return { ...copy, metadata: { ...copy.metadata, managedFields } as KubeObject['metadata'] };
  }

  #tell(resource: Resource<KubeObject>, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubeObject): void {
    for (const feed of this.#feeds) {
      if (feed.resource.kind === resource.kind && feed.matches(object))
        feed.queue.push({ type, object: this.#outward(resource, object) });
    }
  }
}

function selects(
  selection: { labelSelector?: string | undefined; namespace?: string | undefined } | undefined,
  { metadata }: KubeObject,
): boolean {
  if (selection?.namespace !== undefined && metadata.namespace !== selection.namespace) return false;
  const [key, value] = selection?.labelSelector?.split('=') ?? [];
  return key === undefined || metadata.labels?.[key] === value;
}

function parse(schema: z.ZodType, value: unknown, where: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${where}.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
}

/** A write that changes nothing leaves the time as it was. */
const writeTime = (changed: boolean, before: Manager | undefined, now: string): string =>
  changed ? now : (before?.time ?? now);
const appliedBy = (manager: string, status: boolean, leaves: Set<string>, time: string): Manager => ({
  manager,
  operation: 'Apply',
  ...(status && { subresource: 'status' }),
  time,
  leaves,
});
const isApplier = ({ manager, operation, subresource }: Manager, name: string, status: boolean): boolean =>
  manager === name && operation === 'Apply' && (subresource === 'status') === status;

/** What an apply sends: the status alone, or all but it; never what only names the object. */
function sentFields(object: KubeObject & Json, status: boolean): Json {
  const { name: _n, namespace: _ns, uid: _u, resourceVersion: _r, ...metadata } = object.metadata as unknown as Json;
  const { apiVersion: _a, kind: _k, metadata: _m, status: itsStatus, ...content } = object as Json;
  const sent = status
    ? { status: itsStatus ?? {} }
    : { ...content, ...(Object.keys(metadata).length > 0 && { metadata }) };
  return JSON.parse(JSON.stringify(sent)) as Json;
}

const wholeSeconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

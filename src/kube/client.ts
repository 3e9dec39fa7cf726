import { ApiError, isConflict, isInvalid, isNotFound } from '../runtime/errors.ts';
import type { KubeObject, ObjectName } from '../runtime/object.ts';
import type { ListWatcher } from '../runtime/reflector.ts';
import { encodeBody } from './body.ts';
import { defaultTimeoutSeconds } from './connection.ts';
import type { CallOptions, Connection, Query } from './connection.ts';
import { apiVersionOf, pathOf, pods } from './resources.ts';
import type { Resource } from './resources.ts';
import type { Applied } from './types.ts';
import { createListWatcher } from './watch.ts';
import type { Selection } from './watch.ts';

export type { Selection } from './watch.ts';
export { ApiError, isAlreadyExists, isConflict, isGone, isInvalid, isNotFound } from '../runtime/errors.ts';

export interface WriteOptions extends CallOptions {
  /** Who is said to own the written fields. */
  fieldManager?: string;
  /** Everything is checked, nothing is stored. */
  dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions {
  fieldManager: string;
  /** Takes fields over from other field managers; true by default. When false, such a field is a Conflict. */
  force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Deletes only the object with this uid, not a later one of the same name. */
  uid?: string | undefined;
  gracePeriodSeconds?: number | undefined;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  dryRun?: boolean;
}

export interface LogOptions extends CallOptions {
  container?: string;
  tailLines?: number;
  /** Of the container before its last restart. */
  previous?: boolean;
  limitBytes?: number;
}

/**
 * Typed calls to the API server. Objects are plain JSON. Every call is over within `timeoutSeconds` (15 by default) or when
 * its signal aborts. A refusal is thrown as ApiError.
 */
export interface Client {
  /** The object, or undefined when there is none. */
  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName, options?: CallOptions): Promise<T | undefined>;
  /** All objects that are selected, as of one moment; they are read in pages of 500. */
  list<T extends KubeObject>(resource: Resource<T>, selection?: Selection, options?: CallOptions): Promise<T[]>;
  /** Throws an ApiError for which isAlreadyExists is true when the name is taken. */
  create<T extends KubeObject>(resource: Resource<T>, object: NewObject<T>, options?: WriteOptions): Promise<T>;
  /** Replaces the object; a Conflict when it is no longer in the revision given by its resourceVersion. */
  update<T extends KubeObject>(resource: Resource<T>, object: NewObject<T>, options?: WriteOptions): Promise<T>;
  /** Server-side apply: creates the object or makes the given fields so; fields left out are given up by this manager. */
  apply<T extends KubeObject>(resource: Resource<T>, object: Applied<T>, options: ApplyOptions): Promise<T>;
  /** Server-side apply of `status` alone. Throws NotFound when the object is gone. */
  applyStatus<T extends KubeObject>(resource: Resource<T>, object: Applied<T>, options: ApplyOptions): Promise<T>;
  /** JSON merge patch: null removes a field, lists are replaced whole. */
  mergePatch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: object,
    options?: WriteOptions & { subresource?: 'status' },
  ): Promise<T>;
  /**
   * JSON patch of the object as it is now, in one step with its `test` operations; a Conflict when one of these does not hold. So a
   * write can depend on some fields only, such as `/metadata/generation`, whatever others write meanwhile.
   */
  jsonPatch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    operations: readonly JsonPatchOperation[],
    options?: WriteOptions,
  ): Promise<T>;
  /** True when the object was there and its deletion has begun; false when it was gone already (or has another uid). */
  delete<T extends KubeObject>(resource: Resource<T>, name: ObjectName, options?: DeleteOptions): Promise<boolean>;
  podLog(name: ObjectName, options?: LogOptions): Promise<string>;
  /** The source for a reflector. */
  listWatcher<T extends KubeObject>(resource: Resource<T>, selection?: Selection): ListWatcher<T>;
}

/** RFC 6902; `path` is a JSON pointer. */
export type JsonPatchOperation =
  | { op: 'test' | 'add' | 'replace'; path: string; value: unknown }
  | { op: 'remove'; path: string }
  | { op: 'copy'; from: string; path: string };

/** An object to send whole; group, version and kind are filled in when absent. */
export type NewObject<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind'> & { apiVersion?: string; kind?: string };

export interface ClientOptions {
  /**
   * Asked before every write: the seconds within which it must be over; it throws when they are 0. So a former leader neither
   * begins a write nor has one under way when another process may lead.
   */
  writeSeconds?: () => number;
}

export function createClient(connection: Connection, options: ClientOptions = {}): Client {
  const writeSeconds = options.writeSeconds ?? (() => Infinity);

  /** Every change goes through here. */
  async function write<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: object,
    call: WriteOptions & { query?: Query; contentType?: string },
  ): Promise<T> {
    const most = writeSeconds();
    if (most <= 0) throw new Error(`Did not ${method} ${path}: this process is not the leader`);
    const { fieldManager, dryRun, query, ...rest } = call;
    // Who does not lead anything keeps to the limit of the connection.
    const timeoutSeconds =
      most === Infinity ? rest.timeoutSeconds : Math.min(rest.timeoutSeconds ?? defaultTimeoutSeconds, most);
    const answer = await connection.request({
      ...rest,
      timeoutSeconds,
      method,
      path,
      query: { ...query, fieldManager, dryRun: dryRun ? 'All' : undefined },
      body: encodeBody(body),
    });
    return JSON.parse(answer) as T;
  }

  function apply<T extends KubeObject>(
    resource: Resource<T>,
    object: Applied<T>,
    { force, ...call }: ApplyOptions,
    subresource?: string,
  ): Promise<T> {
    const path = pathOf(resource, { ...object.metadata, subresource });
    const body = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
    const query = { force: force ?? true, fieldValidation: 'Strict' };
    return write(`PATCH`, path, body, { ...call, query, contentType: 'application/apply-patch+yaml' });
  }

  return {
    async get<T extends KubeObject>(resource: Resource<T>, name: ObjectName, call?: CallOptions) {
      try {
        const answer = await connection.request({ ...call, method: 'GET', path: pathOf(resource, name) });
        return JSON.parse(answer) as T;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async list(resource, selection, call) {
      const watcher = createListWatcher(connection, resource, selection ?? {});
      const items = [];
      let next: string | undefined;
      do {
        const page = await watcher.list({ limit: 500, ...call, ...(next && { continue: next }) });
        items.push(...page.items);
        next = page.continue;
      } while (next);
      return items;
    },
    create(resource, object, call) {
      const { namespace } = object.metadata;
      const body = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
      return write('POST', pathOf(resource, { namespace }), body, { ...call, query: strict });
    },
    update(resource, object, call) {
      const body = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
      return write('PUT', pathOf(resource, object.metadata), body, { ...call, query: strict });
    },
    apply: (resource, object, call) => apply(resource, object, call),
    applyStatus: (resource, object, call) => apply(resource, object, call, 'status'),
    mergePatch(resource, name, patch, { subresource, ...call } = {}) {
      const path = pathOf(resource, { ...name, subresource });
      return write('PATCH', path, patch, { ...call, query: strict, contentType: 'application/merge-patch+json' });
    },
    async jsonPatch<T extends KubeObject>(
      resource: Resource<T>,
      name: ObjectName,
      operations: readonly JsonPatchOperation[],
      call: WriteOptions = {},
    ) {
      const contentType = 'application/json-patch+json';
      try {
        return await write<T>('PATCH', pathOf(resource, name), operations, { ...call, query: strict, contentType });
      } catch (error) {
        throw hasFailedTest(error) ? conflictOf(resource, name, operations) : error;
      }
    },
    async delete(resource, name, { uid, gracePeriodSeconds, propagationPolicy, ...call } = {}) {
      const body = { gracePeriodSeconds, propagationPolicy, ...(uid !== undefined && { preconditions: { uid } }) };
      try {
        await write('DELETE', pathOf(resource, name), body, call);
        return true;
      } catch (error) {
        if (isNotFound(error) || (uid !== undefined && isConflict(error))) return false;
        throw error;
      }
    },
    podLog(name, { container, tailLines, previous, limitBytes, ...call } = {}) {
      const path = pathOf(pods, { ...name, subresource: 'log' });
      const query = { container, tailLines, previous, limitBytes };
      return connection.request({ ...call, method: 'GET', path, query });
    },
    listWatcher: (resource, selection) => createListWatcher(connection, resource, selection ?? {}),
  };
}

const strict: Query = { fieldValidation: 'Strict' };

/** The API server gives no cause when an operation does not fit the object; what the new object lacks it names. */
const hasFailedTest = (error: unknown): boolean => isInvalid(error) && error.causes.length === 0;

function conflictOf(
  { kind }: Resource<KubeObject>,
  { name }: ObjectName,
  operations: readonly JsonPatchOperation[],
): ApiError {
  const tested = operations.filter(({ op }) => op === 'test').map(({ path }) => path);
  const message = `${kind} ${name} is not as it was when this was decided: ${tested.join(', ')}`;
  return new ApiError({ code: 409, reason: 'Conflict', message });
}

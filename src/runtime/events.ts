import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { KubeObject } from './object.ts';
import { truncateBytes } from './text.ts';
import { monotonic } from './time.ts';
import type { Monotonic } from './time.ts';

/** Something that a person should hear of. */
export interface EventNotice {
  type: 'Normal' | 'Warning';
  /** One specific CamelCase word. */
  reason: string;
  /** What happened, to what, and what to do next. Cut at 1024 bytes. */
  note: string;
  /** What was tried, in one CamelCase word; the reason by default. */
  action?: string;
}

/** An event as it is to be stored in events.k8s.io. */
export interface EventRecord extends Required<EventNotice> {
  name: string;
  namespace: string;
  regarding: { apiVersion: string; kind: string; name: string; namespace?: string; uid?: string };
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
}

export interface EventSink {
  create(event: EventRecord): Promise<void>;
}

export interface EventRecorder {
  /** Tells of a change. It returns at once; what cannot be stored is logged and lost. */
  record(regarding: KubeObject, notice: EventNotice): void;
  /** Resolves when all events recorded so far are stored or lost. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  sink: EventSink;
  /** For example `monoroot.dev/operator`. */
  reportingController: string;
  /** The process: usually the name of its Pod. */
  reportingInstance: string;
  logger: Logger;
  /** The same (object, reason, note) is reported once in this time. */
  dedupeSeconds?: number;
  /** Events about one object: this many at once, then one each `refillSeconds`. */
  burst?: number;
  refillSeconds?: number;
  now?: Monotonic;
  wallClock?: () => Date;
}

/** Limits of the API server. */
const maxNoteBytes = 1024;
const maxNameLength = 253;

/**
 * Records events without flooding: a repetition within ten minutes is dropped, and so is what goes beyond the allowance of an
 * object. A program that records again and again what it has said writes nothing.
 */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { sink, logger, reportingController, reportingInstance } = options;
  const now = options.now ?? monotonic;
  const wallClock = options.wallClock ?? (() => new Date());
  const dedupeMilliseconds = (options.dedupeSeconds ?? 600) * 1000;
  const allowance = createAllowance(options.burst ?? 25, (options.refillSeconds ?? 300) * 1000, now);
  /** When each notice was last told; in the order of time, so that old ones are at the front. */
  const told = new Map<string, number>();
  const pending = new Set<Promise<void>>();

  function isRepetition(key: string): boolean {
    for (const [old, at] of told) {
      if (now() - at < dedupeMilliseconds) break;
      told.delete(old);
    }
    if (told.has(key)) return true;
    told.set(key, now());
    return false;
  }

  return {
    record({ apiVersion, kind, metadata }, notice) {
      const { name, namespace, uid } = metadata;
      const note = truncateBytes(notice.note, maxNoteBytes);
      const object = uid ?? `${kind}/${namespace ?? ''}/${name}`;
      const key = JSON.stringify([object, notice.reason, note]);
      if (isRepetition(key)) return;
      if (!allowance.take(object)) {
        logger.debug({ object: name, reason: notice.reason }, 'Dropped event, there were too many about this object');
        return;
      }
      const time = wallClock().toISOString();
      const event: EventRecord = {
        ...notice,
        note,
        action: notice.action ?? notice.reason,
        name: eventName(name, `${object} ${notice.reason} ${note} ${time}`),
        // Where events about what lives in no namespace go.
        namespace: namespace ?? 'default',
        regarding: { apiVersion, kind, name, ...(namespace && { namespace }), ...(uid && { uid }) },
        eventTime: time,
        reportingController,
        reportingInstance,
      };
      const storing: Promise<void> = sink
        .create(event)
        .catch((error: unknown) => {
          told.delete(key);
          logger.warn({ err: error, object: name, reason: notice.reason }, 'Event was lost');
        })
        .finally(() => pending.delete(storing));
      pending.add(storing);
    },
    async flush() {
      await Promise.all(pending);
    },
  };
}

/** A token bucket for each key: full at first, refilled one token at a time. Full buckets take no memory. */
export function createAllowance(burst: number, refillMilliseconds: number, now: Monotonic) {
  const buckets = new Map<string, { tokens: number; at: number }>();
  const tokensOf = (bucket: { tokens: number; at: number }) =>
    Math.min(burst, bucket.tokens + (now() - bucket.at) / refillMilliseconds);
  return {
    /** True, and a token less, when the key has one. */
    take(key: string): boolean {
      for (const [old, bucket] of buckets) {
        if (tokensOf(bucket) < burst) break;
        buckets.delete(old);
      }
      const bucket = buckets.get(key);
      const tokens = bucket ? tokensOf(bucket) : burst;
      if (tokens < 1) return false;
      buckets.delete(key);
      buckets.set(key, { tokens: tokens - 1, at: now() });
      return true;
    },
    /** Keys whose bucket is remembered. */
    get size() {
      return buckets.size;
    },
  };
}

function eventName(object: string, unique: string): string {
  const hash = createHash('sha256').update(unique).digest('hex').slice(0, 16);
  return `${object.slice(0, maxNameLength - hash.length - 1)}.${hash}`;
}

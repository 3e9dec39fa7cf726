import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** Counts writes by the log that the API server itself keeps of them. */

/** Who did what, when, and what came of it, of every change; not what was in it. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'None', verbs: ['get', 'list', 'watch'] }, { level: 'Metadata' }],
};

interface AuditEvent {
  stage: string;
  verb: string;
  requestURI: string;
  userAgent?: string;
  objectRef?: { resource?: string; subresource?: string; apiGroup?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp: string;
}

export interface Write {
  /** Milliseconds since 1970. */
  time: number;
  /** The user agent, without versions. */
  who: string;
  /** Such as `patch hostedcontainers/status as monoroot-rollout`. */
  what: string;
  /** Nothing was stored. */
  isDryRun: boolean;
  succeeded: boolean;
}

/**
 * All changes that were asked for, but for leases, in the order of their end. `events`: how many events the API server says that it
 * has logged by now. Throws when the file has fewer of them: the API server rotated it, or could not write it.
 */
export async function readWrites(path: string, events: number): Promise<Write[]> {
  const writes: Write[] = [];
  let found = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line === '') continue;
    found++;
    const event = JSON.parse(line) as AuditEvent;
    if (event.stage === 'ResponseComplete' && event.objectRef?.resource !== 'leases') writes.push(writeOf(event));
  }
  if (found < events) throw new Error(`The audit log has ${found} of ${events} events, so it cannot be counted`);
  return writes;
}

/** The events that an API server has logged, out of its own metrics. Throws when it says that it lost some. */
export function loggedEvents(metrics: string): number {
  const lost = counter(metrics, 'apiserver_audit_error_total');
  if (lost > 0) throw new Error(`The API server could not write ${lost} events to its audit log`);
  return counter(metrics, 'apiserver_audit_event_total');
}

/** The sum over all labels. A counter that never counted is not there. */
const counter = (metrics: string, name: string): number =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );

function writeOf(event: AuditEvent): Write {
  const { resource = '?', subresource } = event.objectRef ?? {};
  const query = new URL(event.requestURI, 'https://api').searchParams;
  const manager = query.get('fieldManager');
  const isDryRun = query.has('dryRun');
  return {
    time: Date.parse(event.requestReceivedTimestamp),
    who: agentName(event.userAgent ?? ''),
    what: `${event.verb} ${resource}${subresource ? `/${subresource}` : ''}${manager ? ` as ${manager}` : ''}${isDryRun ? ' (dry run)' : ''}`,
    isDryRun,
    succeeded: (event.responseStatus?.code ?? 0) < 300,
  };
}

/** `monoroot/0.1.0 (operator)` is the operator, `kwok/v0.8.0 (linux/amd64) …` is kwok. */
const agentName = (userAgent: string): string =>
  /^monoroot\/\S+ \((\w+)\)/.exec(userAgent)?.[1] ?? /^[^/ ]*/.exec(userAgent)?.[0] ?? '';

/** What of them falls into a span of time, and was made by one of these. */
export const between = (writes: readonly Write[], who: string, from: number, to: number): Write[] =>
  writes.filter((write) => write.who === who && write.time >= from && write.time < to);

/** How many of each, most first. */
export function tally(writes: readonly Write[]): [what: string, count: number, failed: number][] {
  return Object.entries(Object.groupBy(writes, ({ what }) => what))
    .map(([what, all = []]): [string, number, number] => [what, all.length, all.filter((w) => !w.succeeded).length])
    .sort((a, b) => b[1] - a[1]);
}

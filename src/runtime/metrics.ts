import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ControllerHooks } from './controller.ts';
import type { QueueHooks } from './queue.ts';
import type { ReflectorHooks } from './reflector.ts';

/** Metrics under the names that controller-runtime and client-go use, so that existing dashboards show them. */
export interface Metrics {
  registry: Registry;
  controller(name: string): ControllerHooks;
  queue(name: string): QueueHooks;
  reflector(name: string): ReflectorHooks;
  /** For the connection: a call was answered with this status code. */
  onAnswer: (method: string, code: string, seconds: number) => void;
  leading: (name: string, isLeader: boolean) => void;
  /** Whether something that the process relies on was so when that was last checked. */
  precondition: (name: string, isMet: boolean) => void;
}

const secondsBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** One registry with the metrics of the process (event loop, memory, …) and of everything in this folder. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  // Every 10 ms by default, which alone keeps an idle process at nearly 1 % of a processor.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: secondsBuckets });

  const reconciles = counter('controller_runtime_reconcile_total', 'Runs of reconcile', ['controller', 'result']);
  const reconcileTime = histogram('controller_runtime_reconcile_time_seconds', 'Time of a run', ['controller']);
  const errors = counter('controller_runtime_reconcile_errors_total', 'Runs that failed', ['controller']);
  const mostWorkers = gauge('controller_runtime_max_concurrent_reconciles', 'Workers', ['controller']);
  const activeWorkers = gauge('controller_runtime_active_workers', 'Workers that reconcile now', ['controller']);
  const unfinished = new Map<string, () => { sum: number; longest: number }>();
  const ofUnfinished = (name: string, help: string, which: 'sum' | 'longest') =>
    new Gauge({
      name,
      help,
      labelNames: ['name'],
      registers,
      collect() {
        for (const [queueName, ask] of unfinished) this.set({ name: queueName }, ask()[which]);
      },
    });
  ofUnfinished('workqueue_unfinished_work_seconds', 'Time that keys have been worked on, of all together', 'sum');
  ofUnfinished('workqueue_longest_running_processor_seconds', 'Time that the longest has been worked on', 'longest');
  const depth = gauge('workqueue_depth', 'Keys that wait for a worker', ['name']);
  const adds = counter('workqueue_adds_total', 'Keys added', ['name']);
  const retries = counter('workqueue_retries_total', 'Keys added with back-off', ['name']);
  const queueTime = histogram('workqueue_queue_duration_seconds', 'Time from add to start of work', ['name']);
  const workTime = histogram('workqueue_work_duration_seconds', 'Time of work on a key', ['name']);
  const lists = counter('reflector_lists_total', 'Whole collections read', ['name']);
  const items = gauge('reflector_listed_items', 'Objects in the last list', ['name']);
  const watchEnds = counter('reflector_watch_ends_total', 'Watches that ended, by cause', ['name', 'cause']);
  const watchEvents = counter('reflector_events_total', 'Changes seen by watches', ['name']);
  const requests = counter('rest_client_requests_total', 'Calls to the API server', ['method', 'code']);
  const requestTime = histogram('rest_client_request_duration_seconds', 'Time until the head of an answer', ['verb']);
  const leader = gauge('leader_election_master_status', 'Whether this process leads', ['name']);

  const met = gauge('precondition_met', 'Whether what the process relies on is so', ['name']);

  const queue = (name: string): QueueHooks => ({
    depth: (keys) => depth.set({ name }, keys),
    added: () => adds.inc({ name }),
    retried: () => retries.inc({ name }),
    waited: (seconds) => queueTime.observe({ name }, seconds),
    worked: (seconds) => workTime.observe({ name }, seconds),
    created: (ask) => {
      unfinished.set(name, ask);
    },
  });
  return {
    registry,
    queue,
    controller: (name) => ({
      queue: queue(name),
      reconciled: (result, seconds) => {
        reconciles.inc({ controller: name, result });
        reconcileTime.observe({ controller: name }, seconds);
        if (result === 'error') errors.inc({ controller: name });
      },
      workers: (most, active) => {
        mostWorkers.set({ controller: name }, most);
        activeWorkers.set({ controller: name }, active);
      },
    }),
    reflector: (name) => ({
      listed: (objects) => {
        lists.inc({ name });
        items.set({ name }, objects);
      },
      watchEnded: (cause) => watchEnds.inc({ name, cause }),
      event: () => watchEvents.inc({ name }),
    }),
    onAnswer: (method, code, seconds) => {
      requests.inc({ method, code });
      requestTime.observe({ verb: method }, seconds);
    },
    leading: (name, isLeader) => leader.set({ name }, isLeader ? 1 : 0),
    precondition: (name, isMet) => met.set({ name }, isMet ? 1 : 0),
  };
}

import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { systemNamespace, verificationNamespace } from '../../src/api/names.ts';
import { createCaches } from '../../src/controllers/caches.ts';
import type { Caches } from '../../src/controllers/caches.ts';
import { hostedContainerController } from '../../src/controllers/hostedcontainer/reconcile.ts';
import { imageDistributionController } from '../../src/controllers/imagedistribution/reconcile.ts';
import { nodeStoreController } from '../../src/controllers/nodestore/reconcile.ts';
import { osImageController } from '../../src/controllers/osimage/reconcile.ts';
import type { ControllerOptions } from '../../src/runtime/controller.ts';
import { ApiError } from '../../src/runtime/errors.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { parseKey } from '../../src/runtime/object.ts';
import type { SimulatedApi } from './api.ts';
import type { Dice } from './random.ts';

export const logger: Logger = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });
export const operatorName = 'operator';

/** One key of one controller: when it is to be run, and how often that failed in a row. */
interface Item {
  dueMilliseconds: number;
  failures: number;
}

interface Queue {
  options: Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'>;
  items: Map<string, Item>;
  running: Set<string>;
}

/** A failure that is no lost race and no answer of the API server: a fault of the operator itself. */
export interface Failure {
  controller: string;
  key: string;
  error: unknown;
}

/**
 * The reconcilers of the operator, fed by its real caches through watches that lag. The simulation decides when each key runs,
 * on its own clock; up to three run at the same time.
 */
export class SimulatedOperator {
  readonly failures: Failure[] = [];
  readonly #api: SimulatedApi;
  readonly #dice: Dice;
  readonly #nowMilliseconds: () => number;
  #queues: Queue[] = [];
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(api: SimulatedApi, dice: Dice, nowMilliseconds: () => number) {
    this.#api = api;
    this.#dice = dice;
    this.#nowMilliseconds = nowMilliseconds;
  }

  async start(): Promise<void> {
    this.#stop = new AbortController();
    const client = this.#api.client(operatorName);
    const metrics = createMetrics();
    const namespaces = { namespace: systemNamespace, verificationNamespace };
    const caches: Caches = createCaches(client, logger, metrics, namespaces);
    const events = { record: () => undefined, flush: () => Promise.resolve() };
    const digest = `sha256:${'f'.repeat(64)}`;
    const scaffolds = { merged: `scaffold-merged@${digest}`, split: `scaffold-split@${digest}` };
    const settings = { ...namespaces, builderImage: 'builder', scaffolds };
    const gates = { readSecret: () => Promise.resolve(undefined) };
    const all = [
      osImageController({ client, caches, settings, events }),
      imageDistributionController({ client, caches, gates, events }),
      nodeStoreController(client, caches),
      hostedContainerController({ client, caches, settings: { scaffolds }, events }),
    ];
    const reflectors = Object.values(caches);
    this.#running = Promise.all(reflectors.map((reflector) => reflector.run(this.#stop.signal)));
    await Promise.all(reflectors.map((reflector) => reflector.synced(this.#stop.signal)));
    this.#queues = all.map((options) => {
      const queue: Queue = { options, items: new Map(), running: new Set() };
      for (const source of options.sources) source.start((key) => this.#add(queue, key));
      return queue;
    });
    await setImmediate();
  }

  /** Ends the process; what it has not written yet is never written. */
  async crash(): Promise<void> {
    this.#stop.abort();
    this.#api.disconnect();
    this.#queues = [];
    await this.#running;
  }

  /** Milliseconds until the next key is due; undefined when none waits. */
  untilDue(): number | undefined {
    const due = this.#queues.flatMap(({ items }) => [...items.values()].map((item) => item.dueMilliseconds));
    return due.length === 0 ? undefined : Math.max(0, Math.min(...due) - this.#nowMilliseconds());
  }

  /** Runs some of the keys that are due, in an order that the dice choose; false when none was. */
  async runSome(): Promise<boolean> {
    const now = this.#nowMilliseconds();
    const due = this.#queues.flatMap((queue) =>
      [...queue.items].filter(([, item]) => item.dueMilliseconds <= now).map(([key, item]) => ({ queue, key, item })),
    );
    if (due.length === 0) return false;
    const chosen: typeof due = [];
    for (let i = this.#dice.between(1, 3); i > 0 && due.length > 0; i--)
      chosen.push(...due.splice(this.#dice.between(0, due.length - 1), 1));
    await Promise.all(chosen.map((it) => this.#reconcile(it.queue, it.key, it.item)));
    await setImmediate();
    return true;
  }

  #add(queue: Queue, key: string): void {
    const item = queue.items.get(key);
    const now = this.#nowMilliseconds();
    queue.items.set(key, {
      failures: item?.failures ?? 0,
      dueMilliseconds: Math.min(now, item?.dueMilliseconds ?? now),
    });
  }

  async #reconcile(queue: Queue, key: string, item: Item): Promise<void> {
    const { options, items } = queue;
    const stop = this.#stop;
    items.delete(key);
    const later = (seconds: number, failures: number) => {
      const dueMilliseconds = this.#nowMilliseconds() + Math.max(1, seconds * 1000);
      const there = items.get(key);
      items.set(key, { failures, dueMilliseconds: Math.min(dueMilliseconds, there?.dueMilliseconds ?? Infinity) });
    };
    try {
      const result = await options.reconcile({ key, ...parseKey(key) }, { logger, signal: stop.signal });
      if (result.requeueAfterSeconds !== undefined) later(result.requeueAfterSeconds, 0);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!isAnswer(error)) this.failures.push({ controller: options.name, key, error });
      later(Math.min(300, 2 ** item.failures), item.failures + 1);
    }
  }
}

/** The API server said no, or could not be reached; also when both an action and the status met that. */
function isAnswer(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isAnswer);
  return error instanceof ApiError && error.code !== 422;
}

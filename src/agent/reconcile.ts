import type { Logger } from 'pino';
import type { NodeStore, NodeStoreStatus, WantedImage } from '../api/nodestore.ts';
import type { Reconcile } from '../runtime/controller.ts';
import { sameStatus } from '../runtime/status.ts';
import type { Random } from '../runtime/time.ts';
import { exhausted, retryDelay } from './backoff.ts';
import { checkDeparture, graceMilliseconds, removeImage } from './departure.ts';
import type { DeparturePorts } from './departure.ts';
import { FetchRunner } from './fetch-runner.ts';
import type { RunnerPorts } from './fetch-runner.ts';
import { FetchError, toFetchError } from './failure.ts';
import type { FailureReason } from './failure.ts';
import { lastFailure } from './image-status.ts';
import type { Departure, Tries } from './memory.ts';
import { fingerprintOf, plan } from './plan.ts';
import type { Step } from './plan.ts';
import { nodeStoreStatus } from './status.ts';
import { listStore } from './store/list.ts';
import { settleTrash } from './store/remove.ts';
import type { StoreContent } from './store/list.ts';
import { imageKey } from './store/paths.ts';
import { readSpace } from './store/space.ts';

export interface AgentPorts extends DeparturePorts {
  /** The NodeStore of this node as last seen; undefined when there is none. */
  readNodeStore: () => NodeStore | undefined;
  /** Writes the whole status; what it returns is not used. */
  writeStatus: (status: NodeStoreStatus, signal: AbortSignal) => Promise<unknown>;
  fetch: RunnerPorts['fetch'];
  /** Asks for another run of `reconcile`. */
  enqueue: () => void;
  random: Random;
  logger: Logger;
  hooks?: { fetched(seconds: number, failure: FailureReason | undefined): void };
}

export interface Agent {
  reconcile: Reconcile;
  /** Cancels the fetch that is running; when this resolves nothing of it is left. */
  stop: () => Promise<void>;
}

/** Makes the store of one node equal to its NodeStore. `prepareStore` must have been called before. */
export function createAgent(ports: AgentPorts): Agent {
  const { paths, logger } = ports;
  const tries = new Map<string, Tries>();
  const departures = new Map<string, Departure>();
  const runner = new FetchRunner({ ...ports, ended: remember, changed: ports.enqueue, fetch: timedFetch });
  let recalled = false;
  let written: { over: string | undefined; status: NodeStoreStatus } | undefined;
  let space: { of: string; store: NonNullable<NodeStoreStatus['store']> } | undefined;

  async function timedFetch(...args: Parameters<RunnerPorts['fetch']>): Promise<void> {
    const [image, signal] = args;
    const started = performance.now();
    const seconds = () => Math.round(performance.now() - started) / 1000;
    logger.info({ image: imageKey(image), digest: image.digest }, 'Started fetching image');
    try {
      await ports.fetch(...args);
      logger.info({ image: imageKey(image), seconds: seconds() }, 'Stored image');
      ports.hooks?.fetched(seconds(), undefined);
    } catch (error) {
      if (!signal.aborted) ports.hooks?.fetched(seconds(), toFetchError(error).reason);
      throw error;
    }
  }

  function remember(image: WantedImage, fingerprint: string, error: unknown): void {
    const key = imageKey(image);
    const before = tries.get(key);
    tries.delete(key);
    if (error === undefined) return;
    const { reason, message } = toFetchError(error);
    const attempts = before?.fingerprint === fingerprint ? before.attempts + 1 : 1;
    const delay = retryDelay(attempts, image.backoffLimit, ports.random);
    tries.set(key, { fingerprint, attempts, reason, message, retryTime: ports.now().getTime() + delay });
    const details = { image: key, reason, attempts, retryAfterSeconds: Math.round(delay / 1000) };
    // The cause of a foreseen failure is told by its message; of another one every detail may be needed.
    const cause = error instanceof FetchError ? {} : { err: error };
    const level = exhausted(attempts, image.backoffLimit) ? 'error' : 'warn';
    logger[level]({ ...details, ...cause, message }, 'Failed to fetch image');
  }

  /** After a restart the status is the memory: a crash must not turn back-off into a storm. */
  function recall(nodeStore: NodeStore): void {
    if (recalled) return;
    recalled = true;
    for (const image of nodeStore.spec.images) {
      const known = nodeStore.status?.images?.find(
        (it) => imageKey(it) === imageKey(image) && it.digest === image.digest,
      );
      const failure = known && lastFailure(known);
      if (failure) tries.set(imageKey(image), { fingerprint: fingerprintOf(image), ...failure });
    }
  }

  /** Free space changes all the time; it is looked at when an image has come or gone. */
  async function measure({ images }: StoreContent): Promise<NonNullable<NodeStoreStatus['store']>> {
    const of = images.map((it) => `${imageKey(it)}@${it.digest}`).join();
    if (space?.of !== of) {
      const usedBytes = images.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0);
      space = { of, store: { usedBytes, freeBytes: (await readSpace(paths.store)).freeBytes } };
    }
    return space.store;
  }

  async function act(step: Step): Promise<void> {
    switch (step.do) {
      case 'cancelFetch':
        await runner.cancel();
        break;
      case 'fetch':
        runner.start(step.image, step.fingerprint);
        return;
      case 'check':
        departures.set(imageKey(step.image), await checkDeparture(step.image, ports));
        break;
      case 'remove': {
        const still = await removeImage(step.image, ports);
        if (still) departures.set(imageKey(step.image), still);
        else departures.delete(imageKey(step.image));
        logger.info({ image: imageKey(step.image) }, still ? 'Kept image that is in use' : 'Deleted image');
      }
    }
    ports.enqueue();
  }

  const reconcile: Reconcile = async (_request, { signal }) => {
    const nodeStore = ports.readNodeStore();
    // Without a word from the operator nothing is wanted and nothing is unwanted.
    if (!nodeStore || nodeStore.metadata.deletionTimestamp !== undefined) return {};
    recall(nodeStore);
    const wanted = nodeStore.spec.images;
    // One step that fails must not keep the others from being made.
    const failures: unknown[] = [];
    // An image may have stayed there when its removal failed, with a Pod that uses it.
    await settleTrash(paths).catch((error: unknown) => failures.push(error));
    // In this order: a fetch that ends in between must not look as if it had never begun.
    const fetching = runner.current;
    const store = await listStore(paths);
    const now = ports.now();
    const { steps, images, departing, wakeTime } = plan({
      wanted,
      store,
      tries,
      departures,
      fetching,
      now: now.getTime(),
    });
    for (const key of departures.keys()) if (!departing.includes(key)) departures.delete(key);

    const { generation, resourceVersion } = nodeStore.metadata;
    // The watch may not have brought back yet what was written last.
    const before = written && written.over === resourceVersion ? written.status : nodeStore.status;
    const status = nodeStoreStatus({ generation, before, wanted, images, store: await measure(store), now });
    // Before the steps, not after: an image may go only when its going has been announced.
    if (!sameStatus(before, status)) {
      await ports.writeStatus(status, signal);
      written = { over: resourceVersion, status };
    }
    announced(departures, ports.now(), ports.enqueue);

    for (const step of steps) {
      if (!signal.aborted) await act(step).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    return {
      requeueAfterSeconds: wakeTime === undefined ? undefined : Math.max(0, wakeTime - ports.now().getTime()) / 1000,
    };
  };

  return { reconcile, stop: () => runner.cancel() };
}

/** The status that says what is leaving has just been written: from now on the time of grace runs. */
function announced(departures: Map<string, Departure>, now: Date, enqueue: () => void): void {
  for (const departure of departures.values()) {
    if (departure.phase !== 'Leaving' || departure.removeTime !== undefined) continue;
    departure.removeTime = now.getTime() + graceMilliseconds;
    enqueue();
  }
}

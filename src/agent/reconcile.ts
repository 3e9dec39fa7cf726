import type { Logger } from 'pino';
import type { NodeStore, NodeStoreStatus, PluginStatus } from '../api/nodestore.ts';
import { imageName } from '../api/images.ts';
import type { Reconcile } from '../runtime/controller.ts';
import { ApiError } from '../runtime/errors.ts';
import { runAnnouncedPlan } from '../runtime/plan.ts';
import type { Random } from '../runtime/time.ts';
import { together } from '../runtime/together.ts';
import { readSpace } from '../image/disk/space.ts';
import type { FailureReason } from '../image/failure.ts';
import { act } from './act.ts';
import { delayAfterDeath } from './fetch/backoff.ts';
import type { RunnerPorts } from './fetch/runner.ts';
import { Fetches } from './fetches.ts';
import { AgentMemory } from './memory.ts';
import { planAgent } from './plan.ts';
import type { Observed } from './plan.ts';
import { createLeftovers } from './removal/leftovers.ts';
import type { WaitingLeftover } from './removal/leftovers.ts';
import type { RemovalPorts } from './removal/removal.ts';
import type { AgentSettings } from './settings.ts';
import type { Finding } from './state.ts';
import { removalDeathMessage, verificationDeathMessage } from './status/image-status.ts';
import { UsedBytes } from './status/used-bytes.ts';
import { readDeaths } from './store/begun.ts';
import type { ImageFile } from './store/image-file.ts';
import { listStore } from './store/list.ts';
import { countVerifications } from './verify/deaths.ts';
import type { VerifyIntervals } from './verify/plan.ts';
import { VerifyRunner } from './verify/runner.ts';
import type { VerifyPorts } from './verify/runner.ts';

export interface AgentPorts extends RemovalPorts {
  settings: AgentSettings;
  /** The NodeStore of this node as last seen; undefined when there is none. */
  readNodeStore: () => NodeStore | undefined;
  /** Writes the whole status of the NodeStore in this revision, and gives the one that it is then. */
  writeStatus: (
    status: NodeStoreStatus,
    revision: string | undefined,
    signal: AbortSignal,
  ) => Promise<string | undefined>;
  fetch: RunnerPorts['fetch'];
  verify: VerifyPorts['verify'];
  verifyIntervals: VerifyIntervals;
  /** What all images take on disk. */
  usedBytes: (signal: AbortSignal) => Promise<number>;
  /** What is to be reported of the node plugin; `before` is what was reported last. */
  plugin?: (before: PluginStatus) => PluginStatus;
  /** Throws when the store is no longer where it was, so that nothing may be done with it. */
  checkPlace: () => Promise<void>;
  /** Asks for another run of `reconcile`. */
  enqueue: () => void;
  random: Random;
  logger: Logger;
  hooks?: {
    fetched(seconds: number, failure: FailureReason | undefined): void;
    verified(finding: Finding['kind'] | undefined): void;
  };
}

export interface Agent {
  reconcile: Reconcile;
  /** Cancels what is running; when this resolves nothing of it is left. */
  stop: () => Promise<void>;
}

/** Makes the store of one node equal to its NodeStore. `prepareStore` must have been called before. */
export function createAgent(ports: AgentPorts): Agent {
  const { paths, settings } = ports;
  const memory = new AgentMemory(ports.random);
  const fetches = new Fetches(ports, memory);
  const counted = countVerifications({
    ...ports,
    delay: (count) => delayAfterDeath(count, ports.random),
    message: verificationDeathMessage,
  });
  const verifier = new VerifyRunner({ ...ports, verify: counted.verify, verified, changed: ports.enqueue });
  const settleLeftovers = createLeftovers(paths, (count) => delayAfterDeath(count, ports.random));
  const reported = new Set<string>();
  const startTime = ports.now().getTime();
  const used = new UsedBytes(ports);
  let isRecalled = false;
  let written: { over: string | undefined; revision: string | undefined; status: NodeStoreStatus } | undefined;

  function verified(image: ImageFile, content: boolean, finding: Finding | undefined): void {
    memory.verified(image, content, finding, ports.now().getTime());
    ports.hooks?.verified(finding?.kind);
  }

  /** Once, before the first plan. */
  async function recall(nodeStore: NodeStore, images: readonly ImageFile[], logger: Logger): Promise<void> {
    if (isRecalled) return;
    const deaths = await readDeaths(paths, 'fetch');
    isRecalled = true;
    for (const { key, ...details } of memory.recall(nodeStore, deaths, ports.now().getTime()))
      logger.error({ image: key, ...details }, 'Found that an agent died while it fetched an image');
    for (const image of images) {
      const died = await counted.recall(image, ports.now().getTime());
      const message = died?.finding?.message;
      if (died) logger.error({ image: imageName(image), message }, 'Found that an agent died');
      memory.recallTree(image, nodeStore, died);
    }
  }

  /** Logs what agents died of when they deleted it, once each. */
  function report(leftovers: readonly WaitingLeftover[], logger: Logger): void {
    for (const leftover of leftovers) {
      if (reported.has(leftover.name)) continue;
      reported.add(leftover.name);
      logger.error({ name: leftover.name, message: removalDeathMessage(leftover) }, 'Found that an agent died');
    }
  }

  /** The watch may not have brought back yet what was written last. */
  function asLastWritten({ metadata: { resourceVersion }, status }: NodeStore) {
    return written && written.over === resourceVersion
      ? { before: written.status, revision: written.revision }
      : { before: status, revision: resourceVersion };
  }

  async function observe(nodeStore: NodeStore, leftovers: WaitingLeftover[], logger: Logger): Promise<Observed> {
    const { before } = asLastWritten(nodeStore);
    // In this order: a fetch that ends in between must not look as if it had never begun.
    const fetching = fetches.current;
    const verifying = verifier.current;
    const [store, space] = await Promise.all([listStore(paths), readSpace(paths.store)]);
    await recall(nodeStore, store.images, logger);
    return {
      nodeStore,
      before,
      store,
      space,
      fetching,
      verifying,
      failedAttempts: memory.failedAttempts,
      removals: memory.removals,
      verifications: memory.verifications,
      maxFetches: settings.maxConcurrentFetches,
      minFree: settings.minFree,
      intervals: ports.verifyIntervals,
      usedBytes: used.of(store.images),
      startTime,
      leftovers,
      plugin: ports.plugin?.(before ?? {}) ?? {},
      now: ports.now(),
    };
  }

  const reconcile: Reconcile = async (_request, { logger, signal }) => {
    const nodeStore = ports.readNodeStore();
    // Without a word from the operator no image is desired and none must go.
    if (!nodeStore || nodeStore.metadata.deletionTimestamp !== undefined) return {};
    await ports.checkPlace();
    // A removal that fails keeps nothing else from being done: the image may have stayed, with a Pod that uses it.
    const leftovers = await settleLeftovers(ports.now().getTime()).catch((error: unknown) => ({
      waiting: [],
      failures: [error],
    }));
    report(leftovers.waiting, logger);
    const { before, revision } = asLastWritten(nodeStore);
    const result = await runAnnouncedPlan({
      observed: await observe(nodeStore, leftovers.waiting, logger),
      plan: planAgent,
      act: (action) => act({ ports, memory, fetches, verifier, logger }, action),
      onFailure: () => 'Continue',
      status: before,
      write: async (status) => {
        const next = await ports.writeStatus(status, revision, signal);
        written = { over: nodeStore.metadata.resourceVersion, revision: next, status };
      },
      isRefused: isBadBody,
      logger,
      signal,
    });
    if (leftovers.failures.length > 0) throw leftovers.failures[0];
    return result;
  };

  const stop = async () => {
    used.stop();
    await together(fetches.stop(), verifier.cancel());
  };
  return { reconcile, stop };
}

/** Invalid, too large for the API server, or for etcd. */
const codesOfBadBody = [400, 413, 422, 500];
const isBadBody = (error: unknown): boolean => error instanceof ApiError && codesOfBadBody.includes(error.code);

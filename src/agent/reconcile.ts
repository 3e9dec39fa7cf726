import type { Logger } from 'pino';
import type { NodeStore, NodeStoreStatus, DesiredImage } from '../api/nodestore.ts';
import type { Reconcile } from '../runtime/controller.ts';
import { ApiError } from '../runtime/errors.ts';
import { sameStatus } from '../runtime/status.ts';
import type { Random } from '../runtime/time.ts';
import { delayAfterDeath, exhausted, retryDelay } from './fetch/backoff.ts';
import { begin, end, readDeaths } from './store/begun.ts';
import type { Deaths } from './store/begun.ts';
import { createLeftovers } from './removal/leftovers.ts';
import type { WaitingLeftover } from './removal/leftovers.ts';
import { checkRemoval, graceMilliseconds, removeImage } from './removal/removal.ts';
import type { RemovalPorts } from './removal/removal.ts';
import { FetchRunner } from './fetch/runner.ts';
import type { RunnerPorts } from './fetch/runner.ts';
import { FetchError, toFetchError } from '../image/failure.ts';
import type { FailureReason } from '../image/failure.ts';
import {
  agentDied,
  deathMessage,
  lastFailure,
  removalDeathMessage,
  treeChanged,
  verificationDeathMessage,
} from './status/image-status.ts';
import type { Removal, Finding, FailedAttempts, Verification } from './state.ts';
import { fingerprintOf, plan } from './plan.ts';
import type { Action } from './plan.ts';
import type { AgentSettings } from './settings.ts';
import type { ImageFile } from './store/image-file.ts';
import { nodeStoreStatus, storeSpace } from './status/conditions.ts';
import { listStore } from './store/list.ts';
import type { StoreContent } from './store/list.ts';
import { imageName } from '../api/images.ts';
import { isShort, readSpace } from '../image/disk/space.ts';
import { together } from '../runtime/together.ts';
import { UsedBytes } from './status/used-bytes.ts';
import { countVerifications } from './verify/deaths.ts';
import { afterVerification } from './verify/result.ts';
import { planTreeVerification } from './verify/plan.ts';
import type { VerifyIntervals, VerifyAction } from './verify/plan.ts';
import { VerifyRunner } from './verify/runner.ts';
import type { VerifyPorts } from './verify/runner.ts';

/** How often the disk is looked at, which fills also by others; looking writes nothing. */
const lookSeconds = 60;

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
  /** Of the run that goes on; the lines of a fetch keep that of the run that has started it. */
  let logger = ports.logger;
  const loggers = new Map<string, Logger>();
  const failedAttempts = new Map<string, FailedAttempts>();
  /** Of earlier agents, one after the other, by image; a fetch that ends in order ends it. */
  let deaths = new Map<string, Deaths>();
  const removals = new Map<string, Removal>();
  const runner = new FetchRunner({ ...ports, ended: remember, changed: ports.enqueue, fetch: timedFetch });
  const verifications = new Map<string, Verification>();
  const counted = countVerifications({
    ...ports,
    delay: (count) => delayAfterDeath(count, ports.random),
    message: verificationDeathMessage,
  });
  const settleLeftovers = createLeftovers(paths, (count) => delayAfterDeath(count, ports.random));
  const reported = new Set<string>();
  const verifier = new VerifyRunner({ ...ports, verify: counted.verify, verified, changed: ports.enqueue });
  const startTime = ports.now().getTime();
  const used = new UsedBytes(ports);
  let recalled = false;
  let written: { over: string | undefined; revision: string | undefined; status: NodeStoreStatus } | undefined;

  async function timedFetch(...args: Parameters<RunnerPorts['fetch']>): Promise<void> {
    const [image, signal] = args;
    const log = loggers.get(imageName(image)) ?? ports.logger;
    const started = performance.now();
    const seconds = () => Math.round(performance.now() - started) / 1000;
    log.info({ image: imageName(image), digest: image.digest }, 'Started fetching image');
    try {
      await ports.fetch(...args).finally(() => {
        deaths.delete(imageName(image));
        return end(paths, 'fetch', imageName(image));
      });
      log.info({ image: imageName(image), seconds: seconds() }, 'Stored image');
      ports.hooks?.fetched(seconds(), undefined);
    } catch (error) {
      if (!signal.aborted) ports.hooks?.fetched(seconds(), toFetchError(error).reason);
      throw error;
    }
  }

  /** Counts a fetch as one that this agent dies of, until it ends. */
  async function count(image: DesiredImage, fingerprint: string): Promise<void> {
    const known = deaths.get(imageName(image));
    const before = known?.fingerprint === fingerprint ? known : { fingerprint, deaths: 0 };
    try {
      await begin(paths, 'fetch', imageName(image), before);
    } catch (error) {
      // A full disk, which the fetch itself tells of.
      logger.warn({ image: imageName(image), err: error }, 'Failed to count a fetch before it begins');
    }
  }

  function remember(image: DesiredImage, fingerprint: string, error: unknown): void {
    const key = imageName(image);
    const log = loggers.get(key) ?? ports.logger;
    loggers.delete(key);
    const before = failedAttempts.get(key);
    failedAttempts.delete(key);
    if (error === undefined) return;
    const { reason, message, verified } = toFetchError(error);
    const attempts = before?.fingerprint === fingerprint ? before.attempts + 1 : 1;
    const delay = retryDelay(attempts, image.backoffLimit, ports.random);
    const retryTime = ports.now().getTime() + delay;
    failedAttempts.set(key, { fingerprint, attempts, reason, message, retryTime, ...(verified && { verified }) });
    const details = { image: key, reason, attempts, retryAfterSeconds: Math.round(delay / 1000) };
    // The cause of a foreseen failure is reported by its message; of another one every detail may be needed.
    const cause = error instanceof FetchError ? {} : { err: error };
    const level = exhausted(attempts, image.backoffLimit) ? 'error' : 'warn';
    log[level]({ ...details, ...cause, message }, 'Failed to fetch image');
  }

  function verified(image: ImageFile, content: boolean, finding: Finding | undefined): void {
    const known = verifications.get(imageName(image));
    const { publishTime } = image;
    const result = { publishTime, time: ports.now().getTime(), content, finding };
    verifications.set(imageName(image), afterVerification(known, result));
    ports.hooks?.verified(finding?.kind);
  }

  /** After a restart the status is the memory: a crash must not turn back-off into a storm. */
  async function recall(nodeStore: NodeStore, { images }: StoreContent): Promise<void> {
    if (recalled) return;
    deaths = await readDeaths(paths, 'fetch');
    recalled = true;
    for (const image of nodeStore.spec.images) {
      const known = nodeStore.status?.images?.find(
        (it) => imageName(it) === imageName(image) && it.digest === image.digest,
      );
      const failure = known && lastFailure(known);
      if (failure) failedAttempts.set(imageName(image), { fingerprint: fingerprintOf(image), ...failure });
      rememberDeath(image, failure);
    }
    for (const image of images) {
      const died = await counted.recall(image, ports.now().getTime());
      if (died) {
        verifications.set(imageName(image), died);
        logger.error({ image: imageName(image), message: died.finding?.message }, 'Found that an agent died');
      }
      const known = nodeStore.status?.images?.find((it) => imageName(it) === imageName(image));
      if (known?.reason !== treeChanged || known.readyTime !== image.publishTime) continue;
      const message = 'so it was found before the agent started, and it is looked at again';
      verifications.set(imageName(image), { publishTime: image.publishTime, finding: { kind: 'changed', message } });
    }
  }

  /** The fetch that an agent died in has told no one. */
  function rememberDeath(image: DesiredImage, before: Omit<FailedAttempts, 'fingerprint'> | undefined): void {
    const [key, fingerprint] = [imageName(image), fingerprintOf(image)];
    const known = deaths.get(key);
    if (known?.fingerprint !== fingerprint) return;
    // One that waits for its next try has been reported before this agent started.
    const isReported = before?.reason === agentDied && before.attempts >= known.deaths && before.retryTime > 0;
    if (isReported) return;
    const delay = delayAfterDeath(known.deaths, ports.random);
    const attempts = Math.max(before?.attempts ?? 0, known.deaths);
    const message = deathMessage(known.deaths);
    failedAttempts.set(key, {
      fingerprint,
      attempts,
      reason: agentDied,
      message,
      retryTime: ports.now().getTime() + delay,
    });
    const details = { image: key, deaths: known.deaths, retryAfterSeconds: Math.round(delay / 1000) };
    logger.error(details, 'Found that an agent died while it fetched an image');
  }

  /** Once of each. */
  function report(leftovers: readonly WaitingLeftover[]): void {
    for (const leftover of leftovers) {
      if (reported.has(leftover.name)) continue;
      reported.add(leftover.name);
      logger.error({ name: leftover.name, message: removalDeathMessage(leftover) }, 'Found that an agent died');
    }
  }

  /** An image that found no room need not wait any longer. */
  function spaceFreed(): void {
    for (const it of failedAttempts.values()) if (it.reason === 'NoSpace') it.retryTime = ports.now().getTime();
  }

  async function act(action: Action | VerifyAction): Promise<void> {
    switch (action.type) {
      case 'cancelVerify':
        await verifier.cancel();
        break;
      case 'verify':
        verifier.start(action.image, action.content);
        return;
      case 'cancelFetch':
        await runner.cancel(action.key);
        loggers.delete(action.key);
        break;
      case 'fetch':
        await count(action.image, action.fingerprint);
        loggers.set(imageName(action.image), logger);
        runner.start(action.image, action.fingerprint);
        return;
      case 'check':
        removals.set(imageName(action.image), await checkRemoval(action.image, ports));
        break;
      case 'remove': {
        await verifier.cancel(imageName(action.image));
        const still = await removeImage(action.image, ports);
        if (still) removals.set(imageName(action.image), still);
        else {
          removals.delete(imageName(action.image));
          spaceFreed();
          verifications.delete(imageName(action.image));
        }
        logger.info({ image: imageName(action.image) }, still ? 'Kept image that is in use' : 'Deleted image');
      }
    }
    ports.enqueue();
  }

  /** The watch may not have brought back yet what was written last. */
  function asLastWritten({ metadata: { resourceVersion }, status }: NodeStore) {
    return written && written.over === resourceVersion
      ? { before: written.status, revision: written.revision }
      : { before: status, revision: resourceVersion };
  }

  const reconcile: Reconcile = async (_request, { logger: ofRun, signal }) => {
    logger = ofRun;
    const nodeStore = ports.readNodeStore();
    // Without a word from the operator no image is desired and none must go.
    if (!nodeStore || nodeStore.metadata.deletionTimestamp !== undefined) return {};
    const desired = nodeStore.spec.images;
    await ports.checkPlace();
    // One action that fails must not keep the others from being done.
    const failures: unknown[] = [];
    // An image may have stayed there when its removal failed, with a Pod that uses it.
    const leftovers = await settleLeftovers(ports.now().getTime()).catch((error: unknown) => ({
      waiting: [],
      failures: [error],
    }));
    failures.push(...leftovers.failures);
    report(leftovers.waiting);
    // In this order: a fetch that ends in between must not look as if it had never begun.
    const fetching = runner.current;
    const verifying = verifier.current;
    const [store, space] = await Promise.all([listStore(paths), readSpace(paths.store)]);
    await recall(nodeStore, store);
    const now = ports.now();
    const memory = { failedAttempts, removals, verifications, now: now.getTime() };
    const { actions, images, removing, requeueTime } = plan({
      desired,
      store,
      fetching,
      maxFetches: settings.maxConcurrentFetches,
      short: isShort(space, settings.minFree),
      ...memory,
    });
    const verification = planTreeVerification({
      images: store.images,
      verifying,
      intervals: ports.verifyIntervals,
      startTime,
      ...memory,
    });
    for (const key of removals.keys()) if (!removing.includes(key)) removals.delete(key);

    const { generation, resourceVersion } = nodeStore.metadata;
    const { before, revision } = asLastWritten(nodeStore);
    const reportedSpace = storeSpace(before?.store, used.of(store.images), space);
    const status = nodeStoreStatus({
      generation,
      before,
      desired,
      images,
      store: reportedSpace,
      leftovers: leftovers.waiting,
      now,
    });
    // Before the actions, not after: an image may go only when its going has been announced.
    let refused: ApiError | undefined;
    if (!sameStatus(before, status)) {
      let next: string | undefined;
      refused = await refusalOf(async () => (next = await ports.writeStatus(status, revision, signal)));
      if (refused) failures.push(refused);
      else written = { over: resourceVersion, revision: next, status };
    }
    const allActions = [...actions, ...(verification.action ? [verification.action] : [])];
    const possible = refused ? allActions.filter((action) => frees(action, desired)) : allActions;
    const isAnnounced = (key: string) => !refused || !desired.some((image) => imageName(image) === key);
    announced(removals, isAnnounced, ports.now(), ports.enqueue);

    for (const action of possible) {
      if (!signal.aborted) await act(action).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    const retryTimes = leftovers.waiting.map(({ retryTime }) => retryTime);
    const requeueTimes = [requeueTime, verification.requeueTime, ...retryTimes].flatMap((time) => time ?? []);
    const seconds = requeueTimes.map((time) => Math.max(0, time - ports.now().getTime()) / 1000);
    return { requeueAfterSeconds: Math.min(lookSeconds, ...seconds) };
  };

  const stop = async () => {
    used.stop();
    await together(runner.stop(), verifier.cancel());
  };
  return { reconcile, stop };
}

/** Invalid, too large for the API server, or for etcd. */
const codesOfBadBody = [400, 413, 422, 500];

/** What the API server has against this status; throws when it was not written for another reason. */
async function refusalOf(write: () => Promise<unknown>): Promise<ApiError | undefined> {
  try {
    await write();
    return undefined;
  } catch (error) {
    if (error instanceof ApiError && codesOfBadBody.includes(error.code)) return error;
    throw error;
  }
}

/**
 * What is done although no status can be written, or the store would stay as it is for good: the operator takes the label of an
 * image from the node before it wants it no longer, so its going needs no other announcement.
 */
const frees = (action: Action | VerifyAction, desired: readonly DesiredImage[]): boolean =>
  action.type === 'cancelFetch' ||
  ((action.type === 'check' || action.type === 'remove') &&
    !desired.some((it) => imageName(it) === imageName(action.image)));

/** The status that says what is leaving is written: from now on the time of grace runs. */
function announced(
  removals: Map<string, Removal>,
  isAnnounced: (key: string) => boolean,
  now: Date,
  enqueue: () => void,
): void {
  for (const [key, removal] of removals) {
    if (removal.phase !== 'Deleting' || removal.removeTime !== undefined || !isAnnounced(key)) continue;
    removal.removeTime = now.getTime() + graceMilliseconds;
    enqueue();
  }
}

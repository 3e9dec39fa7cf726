import type { DesiredImage, NodeStore } from '../api/nodestore.ts';
import { imageName } from '../api/images.ts';
import type { Random } from '../runtime/time.ts';
import { toFetchError } from '../image/failure.ts';
import { delayAfterDeath, retryDelay } from './fetch/backoff.ts';
import { fingerprintOf } from './fingerprint.ts';
import { graceMilliseconds } from './removal/removal.ts';
import type { FailedAttempts, Finding, Removal, Verification } from './state.ts';
import { agentDied, deathMessage, lastFailure, treeChanged } from './status/image-status.ts';
import type { Deaths } from './store/begun.ts';
import type { ImageFile } from './store/image-file.ts';
import { afterVerification } from './verify/result.ts';

/** A fetch that earlier agents died of, and that no status tells of yet. */
export interface FoundDeath {
  key: string;
  deaths: number;
  retryAfterSeconds: number;
}

/** What the agent remembers between two plans. No I/O; all times are milliseconds since 1970. */
export class AgentMemory {
  readonly failedAttempts = new Map<string, FailedAttempts>();
  readonly removals = new Map<string, Removal>();
  readonly verifications = new Map<string, Verification>();
  readonly #random: Random;
  /** Of earlier agents, one after the other, by image; a fetch that ends in order ends it. */
  #deaths = new Map<string, Deaths>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** After a restart the status is the memory: a crash must not turn back-off into a storm. */
  recall({ spec, status }: NodeStore, deaths: Map<string, Deaths>, now: number): FoundDeath[] {
    this.#deaths = deaths;
    return spec.images.flatMap((image) => {
      const known = status?.images?.find((it) => imageName(it) === imageName(image) && it.digest === image.digest);
      const failure = known && lastFailure(known);
      if (failure) this.failedAttempts.set(imageName(image), { fingerprint: fingerprintOf(image), ...failure });
      return this.#recallDeath(image, failure, now) ?? [];
    });
  }

  /** The fetch that an agent died in was reported by no one. One that waits for its next try was reported before the restart. */
  #recallDeath(
    image: DesiredImage,
    before: Omit<FailedAttempts, 'fingerprint'> | undefined,
    now: number,
  ): FoundDeath | undefined {
    const [key, fingerprint] = [imageName(image), fingerprintOf(image)];
    const known = this.#deaths.get(key);
    if (known?.fingerprint !== fingerprint) return undefined;
    const { deaths } = known;
    if (before?.reason === agentDied && before.attempts >= deaths && before.retryTime > 0) return undefined;
    const delay = delayAfterDeath(deaths, this.#random);
    const attempts = Math.max(before?.attempts ?? 0, deaths);
    const failure = { fingerprint, attempts, reason: agentDied, message: deathMessage(deaths) };
    this.failedAttempts.set(key, { ...failure, retryTime: now + delay });
    return { key, deaths, retryAfterSeconds: Math.round(delay / 1000) };
  }

  /** What was found in a stored tree before the agent started, and what agents `died` of when they looked at it. */
  recallTree(image: ImageFile, { status }: NodeStore, died: Verification | undefined): void {
    const key = imageName(image);
    if (died) this.verifications.set(key, died);
    const known = status?.images?.find((it) => imageName(it) === key);
    if (known?.reason !== treeChanged || known.readyTime !== image.publishTime) return;
    const message = 'so it was found before the agent started, and it is looked at again';
    this.verifications.set(key, { publishTime: image.publishTime, finding: { kind: 'changed', message } });
  }

  /** How often agents died of this very fetch. */
  deathsOf(image: DesiredImage, fingerprint: string): Deaths {
    const known = this.#deaths.get(imageName(image));
    return known?.fingerprint === fingerprint ? known : { fingerprint, deaths: 0 };
  }

  /** The fetch of this image has ended in order, however it ended. */
  survived(key: string): void {
    this.#deaths.delete(key);
  }

  /** A fetch ended, with an error unless it succeeded; gives what is remembered of the failure. */
  fetched(image: DesiredImage, fingerprint: string, error: unknown, now: number): FailedAttempts | undefined {
    const key = imageName(image);
    const before = this.failedAttempts.get(key);
    this.failedAttempts.delete(key);
    if (error === undefined) return undefined;
    const { reason, message, verified } = toFetchError(error);
    const attempts = before?.fingerprint === fingerprint ? before.attempts + 1 : 1;
    const retryTime = now + retryDelay(attempts, image.backoffLimit, this.#random);
    const failure = { fingerprint, attempts, reason, message, retryTime, ...(verified && { verified }) };
    this.failedAttempts.set(key, failure);
    return failure;
  }

  /** A verification ended. */
  verified(image: ImageFile, content: boolean, finding: Finding | undefined, time: number): void {
    const known = this.verifications.get(imageName(image));
    const { publishTime } = image;
    this.verifications.set(imageName(image), afterVerification(known, { publishTime, time, content, finding }));
  }

  /** The image need not go any more: what is remembered of its removal is void. */
  cancelRemoval(key: string): void {
    this.removals.delete(key);
  }

  /** The status that says that the image is leaving is written: from now on the time of grace runs. */
  announced(key: string, now: number): void {
    const removal = this.removals.get(key);
    if (removal?.phase === 'Deleting') removal.removeTime = now + graceMilliseconds;
  }

  /** How a check, or a removal that found a Pod, has ended. */
  checked(key: string, removal: Removal): void {
    this.removals.set(key, removal);
  }

  /** The image is gone: those that found no space need not wait any longer. */
  removed(key: string, now: number): void {
    this.removals.delete(key);
    this.verifications.delete(key);
    for (const it of this.failedAttempts.values()) if (it.reason === 'NoSpace') it.retryTime = now;
  }
}

import type { Interruption } from '../api/interruption.ts';
import type { Pod } from '../api/kubernetes/objects.ts';
import type { KubeObject } from '../runtime/object.ts';
import { truncate } from '../runtime/text.ts';

/** Pods, or Jobs, that ended without a verdict, and how long to wait before the next one. Pure. */

const messageLimit = 1000;
/** Pods that end further apart than this are not one row. */
const forgetSeconds = 600;
/** The same of Pods that end within seconds, or not at all: who restarts a container every few minutes is not kept waiting. */
const forgetBriefSeconds = 120;

/** The pauses, in seconds: the first one, doubled with each further Pod, and the longest. */
export const pauses = {
  /** Something else serves meanwhile: swapping costs two restarts. */
  served: { first: 60, most: 1800 },
  down: { first: 10, most: 300 },
};

export interface Ending {
  pod: Pod;
  reason: string;
  message: string;
  /** The Pod has ended: the first of a row is replaced at once. */
  ended: boolean;
  /** Pods that end for this reason do so within seconds of their start. */
  brief?: boolean;
  pause: { first: number; most: number };
  now: Date;
}

/** Adds the end of a Pod, or of a Job, to the row of those before; the same one counts once. */
export function interrupt(
  before: Interruption | undefined,
  ending: Omit<Ending, 'pod'> & { pod: Pick<KubeObject, 'metadata'> },
): Interruption {
  const { pod, now } = ending;
  const podUID = pod.metadata.uid ?? '';
  if (before?.podUID === podUID) return before;
  const forget = ending.brief ? forgetBriefSeconds : forgetSeconds;
  const isRow = before && now.getTime() - Date.parse(before.retryTime) < forget * 1000;
  const count = isRow ? before.count + 1 : 1;
  const doublings = ending.ended ? count - 2 : count - 1;
  const seconds = doublings < 0 ? 0 : Math.min(ending.pause.most, ending.pause.first * 2 ** Math.min(doublings, 20));
  return {
    podUID,
    count,
    time: now.toISOString(),
    retryTime: new Date(now.getTime() + seconds * 1000).toISOString(),
    reason: truncate(ending.reason, 128),
    message: truncate(ending.message, messageLimit),
  };
}

/** The reason of an end that is somebody's deletion, when Kubernetes gives none. */
export const deletedByHand = 'Deleted';

/** The row with one more that somebody else deleted, where nothing serves meanwhile. */
export const interruptByDeletion = (
  before: Interruption | undefined,
  { pod, message, now }: { pod: Pick<KubeObject, 'metadata'>; message: string; now: Date },
): Interruption =>
  interrupt(before, { pod, reason: deletedByHand, message, ended: true, brief: true, pause: pauses.down, now });

/** Seconds until the next Pod may be made; 0 when it may, or when an operator whose clock was wrong has written that time. */
export function pauseSeconds(interruption: Interruption | undefined, now: Date): number {
  const left = interruption ? (Date.parse(interruption.retryTime) - now.getTime()) / 1000 : 0;
  return left > pauses.served.most ? 0 : Math.max(0, left);
}

/** What happened, in a sentence. */
export const interruptionText = ({ count, reason, message }: Interruption, kind: 'Pod' | 'Job' = 'Pod'): string =>
  `${count === 1 ? `Its ${kind}` : `${count} ${kind}s in a row`} ended without a verdict on the image, last: ${reason}: ${message.replace(/[\s.]+$/, '')}`;

/** Why there is none at the moment, and when the next one comes. */
export const pauseText = (interruption: Interruption, kind: 'Pod' | 'Job' = 'Pod'): string =>
  `${interruptionText(interruption, kind)}. The next one is made at ${interruption.retryTime}`;

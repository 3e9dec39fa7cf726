import type { StoredImage, DesiredImage } from '../../api/nodestore.ts';
import { formatTime } from '../../runtime/time.ts';
import { deathLimit, exhausted } from '../fetch/backoff.ts';
import type { Fetching, Finding, FailedAttempts } from '../state.ts';
import type { ImageFile } from '../store/image-file.ts';
import { truncate } from '../../runtime/text.ts';

/** What a status says about one image, in each of its states. */

const longestMessage = 1024;
const retrying = 'Retrying; the last attempt failed: ';
const identity = ({ os, version, digest }: DesiredImage | ImageFile) => ({ os, version, digest });

export function pendingImage(image: DesiredImage, reason: string, message: string): StoredImage {
  return { ...identity(image), state: 'Pending', reason, message: truncate(message, longestMessage) };
}

/** Pending until all granted retries are used up, Failed from then on. */
export function failedImage(
  image: DesiredImage,
  { attempts, reason, message, retryTime }: FailedAttempts,
): StoredImage {
  const limit = reason === agentDied ? deathLimit : image.backoffLimit;
  return {
    ...pendingImage(image, reason, message),
    state: exhausted(attempts, limit) ? 'Failed' : 'Pending',
    attempts,
    retryTime: formatTime(new Date(retryTime)),
  };
}

export function fetchingImage(
  image: DesiredImage,
  failedAttempts: FailedAttempts | undefined,
  progress?: Fetching,
): StoredImage {
  return {
    ...identity(image),
    state: 'Fetching',
    ...(failedAttempts && {
      attempts: failedAttempts.attempts,
      reason: failedAttempts.reason,
      message: truncate(`${retrying}${failedAttempts.message}`, longestMessage),
    }),
    downloadedBytes: progress?.downloadedBytes ?? 0,
    ...(progress?.totalBytes !== undefined && { totalBytes: progress.totalBytes }),
  };
}

export const agentDied = 'AgentDied';

/** What is said of an image of which agents have died; it is remembered as any other failure is. */
export const deathMessage = (deaths: number) =>
  `The agent of this node died ${deaths === 1 ? 'once' : `${deaths} times in a row`} while it fetched this image, so other images go first; see the last log of the agent (kubectl logs --previous) and its memory limit, and check the image`;

/** The same of a stored image that it looked at, or read to compare it with its digests. */
export const verificationDeathMessage = (deaths: number, content: boolean) =>
  `the agent of this node died ${deaths === 1 ? 'once' : `${deaths} times in a row`} while it ${content ? 'read' : 'looked at'} the files, so it waits before it does so again; see the last log of the agent (kubectl logs --previous) and its memory limit`;

/** The same of what is left of an image that it deleted. */
export const removalDeathMessage = ({ name, deaths }: { name: string; deaths: number }) =>
  truncate(
    `The agent of this node died ${deaths === 1 ? 'once' : `${deaths} times in a row`} while it deleted trash/${name} of its directory, so it waits before it does so again; see the last log of the agent (kubectl logs --previous) and its memory limit, or delete it on the node`,
    longestMessage,
  );

/** What {@link failedImage} and {@link fetchingImage} were given, read back from a status; undefined when nothing had failed. */
export function lastFailure(image: StoredImage): Omit<FailedAttempts, 'fingerprint'> | undefined {
  const { attempts, reason, message = '', retryTime } = image;
  if (!attempts || reason === undefined) return undefined;
  return { attempts, reason, message: message.replace(retrying, ''), retryTime: retryTime ? Date.parse(retryTime) : 0 };
}

export function readyImage(stored: ImageFile): StoredImage {
  const { layout, defaults, hasMountScript, unpackedBytes, sharedBytes, publishTime } = stored;
  return {
    ...identity(stored),
    state: 'Ready',
    unpackedBytes,
    sharedBytes,
    layout,
    ...(defaults && { defaults: eachOnce(defaults) }),
    hasMountScript,
    readyTime: publishTime,
  };
}

/** An earlier version of the agent stored images whose bundle has a variable twice: with one the API server refuses the whole status. */
function eachOnce(defaults: NonNullable<ImageFile['defaults']>): NonNullable<ImageFile['defaults']> {
  if (!defaults.env) return defaults;
  return { ...defaults, env: [...new Map(defaults.env.map((it) => [it.name, it])).values()] };
}

/** No one asks for it by name; it stays as long as nothing needs its room. */
export function retainedImage(stored: ImageFile): StoredImage {
  const message =
    'An earlier version, kept so that containers can go back to it; it is deleted when its space is needed and no Pod uses it';
  return { ...readyImage(stored), reason: 'Retained', message };
}

/** A stored tree that is no longer what was published, or of which that is not known. It may be used only in the latter case. */
export function doubtfulImage(stored: ImageFile, { kind, message }: Finding): StoredImage {
  if (kind === 'changed') {
    return { ...readyImage(stored), state: 'Failed', reason: treeChanged, message: changedMessage(message) };
  }
  const what = `The tree in the store could not be verified: ${message}; look at the disk of the node`;
  return { ...readyImage(stored), reason: 'NotVerified', message: truncate(what, longestMessage) };
}

export const treeChanged = 'TreeChanged';
export const changedMessage = (difference: string) =>
  truncate(`The tree in the store is not what was published: ${difference}`, longestMessage - 300);

export function deletingImage(stored: ImageFile): StoredImage {
  const message = 'It is no longer assigned to this node, and no Pod uses it';
  return { ...readyImage(stored), state: 'Deleting', reason: 'NotWanted', message };
}

export function evictedImage(stored: ImageFile): StoredImage {
  const message = 'An earlier version that no Pod uses; it is deleted because its space is needed';
  return { ...readyImage(stored), state: 'Deleting', reason: 'Evicted', message };
}

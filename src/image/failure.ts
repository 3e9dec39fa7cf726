import { printable, truncate } from '../runtime/text.ts';
import { errorCode } from '../system/errors.ts';

/** Why an image could not be fetched, as it stands in `status.images[].reason`. One word for one thing that a person can do. */
export type FailureReason =
  | 'UnreachableSource'
  | 'LocalAddress'
  | 'HTTPStatus'
  | 'Unauthorized'
  | 'SecretMissing'
  | 'CertificateUntrusted'
  | 'TooManyRedirects'
  | 'SourceChanged'
  | 'ManifestUnknown'
  | 'SignatureMissing'
  | 'SignatureInvalid'
  | 'SignaturePolicyInvalid'
  | 'UnsupportedImage'
  | 'DigestMismatch'
  | 'TruncatedArchive'
  | 'CorruptArchive'
  | 'UnsupportedArchive'
  | 'UnsafeArchive'
  | 'NoRootFileSystem'
  | 'BundleMismatch'
  | 'ArchitectureMismatch'
  | 'NoSpace'
  | 'TooLarge'
  | 'TimedOut'
  | 'AgentDied'
  | 'StoreFailed';

const longestMessage = 2048;

/** An image could not be fetched. `message` says what happened, to what, and what to do next; never a secret's value. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly reason: FailureReason;
  /** The bytes that it is about have the right digest. */
  readonly verified: boolean;

  constructor(reason: FailureReason, message: string, options?: ErrorOptions & { verified?: boolean }) {
    // What it quotes may be of any length, and hold anything.
    super(printable(truncate(message, longestMessage)), options);
    this.reason = reason;
    this.verified = options?.verified ?? false;
  }
}

/** Makes a FetchError of whatever was thrown; what no one foresaw is a failure of this node's own disk or programs. */
export function toFetchError(error: unknown): FetchError {
  if (error instanceof FetchError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // Of a program such as sync only the words are known.
  if (['ENOSPC', 'EDQUOT'].includes(errorCode(error)) || /No space left on device|Disk quota exceeded/.test(message)) {
    return new FetchError('NoSpace', 'The file system of the store is full; free space on the node', { cause: error });
  }
  return new FetchError('StoreFailed', `${message}; look at the log of the agent on this node`, { cause: error });
}

/** Shorter answers might be guessed from their digest or size, and be of a server that whoever wrote the source cannot ask itself. */
const leastTold = 64 * 1024;

/** These are other bytes than were asked for. */
export function wrongDigest(expected: string, actual: string, bytes: number): FetchError {
  const what =
    bytes < leastTold
      ? `What came is shorter than ${leastTold} bytes and does not have digest ${expected}`
      : `The archive (${bytes} bytes) has digest ${actual} and not ${expected}`;
  return new FetchError('DigestMismatch', `${what}; upload the right archive or create a new version`);
}

/** What the agent remembers between two plans. All times are milliseconds since 1970. */

/** What is remembered about an image that could not be fetched yet. Void as soon as the desired entry is another one. */
export interface FailedAttempts {
  fingerprint: string;
  attempts: number;
  reason: string;
  message: string;
  retryTime: number;
  /** NoSpace for bytes of a digest that is known to be right: other images may make room for it. */
  verified?: boolean;
}

/** A fetch that is running. */
export interface Fetching {
  key: string;
  fingerprint: string;
  downloadedBytes: number;
  totalBytes?: number;
}

/**
 * What is remembered about an image that has to go. `InUse`: a Pod needs it; check again at `checkTime`. `Deleting`: no Pod needs
 * it and the status says that it must not be used; it goes at `removeTime`, which is unknown until that status is written.
 */
export type Removal =
  { phase: 'InUse'; checkTime: number; message: string } | { phase: 'Deleting'; removeTime: number | undefined };

/** What looking at a published tree gave: it is not what was published, or it cannot be known. */
export interface Finding {
  kind: 'changed' | 'unverified';
  message: string;
}

/** What is remembered about a published tree. Void when another one is published under its name. */
export interface Verification {
  publishTime: string;
  /** When it was last looked at, and read as a whole; undefined when it was not since the agent started. */
  time?: number;
  contentTime?: number;
  finding?: Finding | undefined;
  /** Agents have died of looking at it, or of reading it: not before. */
  retryTime?: number;
  contentRetryTime?: number;
}

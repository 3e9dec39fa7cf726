/** What the API server gave as one cause of a refusal; `field` is a path such as `spec.image`. */
export interface StatusCause {
  reason?: string | undefined;
  message?: string | undefined;
  field?: string | undefined;
}

export interface ApiErrorDetails {
  code: number;
  reason: string;
  message: string;
  retryAfterSeconds?: number | undefined;
  causes?: readonly StatusCause[] | undefined;
}

/** The API server answered, and the answer is a refusal: its Status object as an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: number;
  readonly reason: string;
  /** How long the server asks to be left alone. */
  readonly retryAfterSeconds: number | undefined;
  readonly causes: readonly StatusCause[];

  constructor(details: ApiErrorDetails) {
    super(details.message);
    this.code = details.code;
    this.reason = details.reason;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.causes = details.causes ?? [];
  }
}

const hasCode = (error: unknown, code: number): error is ApiError => error instanceof ApiError && error.code === code;

export const isNotFound = (error: unknown): error is ApiError => hasCode(error, 404);

/** Somebody else was first: another field manager owns the field, or the object has changed since it was read. */
export const isConflict = (error: unknown): error is ApiError =>
  hasCode(error, 409) && error.reason !== 'AlreadyExists';

export const isAlreadyExists = (error: unknown): error is ApiError =>
  hasCode(error, 409) && error.reason === 'AlreadyExists';

/** The asked resourceVersion or continue token is too old: only a new list helps. */
export const isGone = (error: unknown): error is ApiError => hasCode(error, 410);

/** The object is not acceptable as it is; the same request would be refused again. */
export const isInvalid = (error: unknown): error is ApiError => hasCode(error, 422);

/** The server is well and found fault with the request (4xx, but not 429). */
export function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && error.code < 500 && error.code !== 429;
}

/** Seconds that the failed server asked to be left alone, if it did. */
export function retryAfterSeconds(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterSeconds : undefined;
}

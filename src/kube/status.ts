import { ApiError } from '../runtime/errors.ts';
import type { StatusCause } from '../runtime/errors.ts';
import { truncate } from '../runtime/text.ts';

/** `meta/v1.Status`, as far as it is read here. */
interface Status {
  kind?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number; causes?: StatusCause[] };
}

/** Makes an error of a refusal: of its Status object when it has one, else of what a proxy in between may have said. */
export function apiErrorFrom(code: number, body: string, retryAfter?: string): ApiError {
  const status = parseStatus(body);
  const header = Number(retryAfter);
  return apiErrorOf(
    status ?? { message: `The API server answered ${code}: ${truncate(body, 200)}` },
    code,
    retryAfter !== undefined && Number.isFinite(header) ? header : undefined,
  );
}

/** Makes an error of a Status object, which is also what an ERROR event of a watch holds. */
export function apiErrorOf(status: Status, code: number, retryAfter?: number): ApiError {
  return new ApiError({
    code: status.code ?? code,
    reason: status.reason ?? 'Unknown',
    message: status.message ?? `The API server answered ${status.code ?? code}`,
    retryAfterSeconds: retryAfter ?? status.details?.retryAfterSeconds,
    causes: status.details?.causes,
  });
}

function parseStatus(body: string): Status | undefined {
  try {
    const value = JSON.parse(body) as Status | null;
    return value?.kind === 'Status' ? value : undefined;
  } catch {
    return undefined;
  }
}

import { FetchError, toFetchError } from '../image/failure.ts';
import { FailedProgram } from './programs.ts';
import { truncateBytes } from '../runtime/text.ts';

/** Why an image could not be built or published: one word for one thing that a person can do. */
export type BuildFailureReason =
  | FetchError['reason']
  | 'InvalidRecipe'
  | 'ProgramMissing'
  | 'BaseFailed'
  | 'PackagesFailed'
  | 'FilesFailed'
  | 'CommandFailed'
  | 'PackageListFailed'
  | 'PackFailed'
  | 'PushFailed'
  | 'CopyFailed'
  | 'AlreadyPublished'
  | 'SignFailed'
  | 'Stopped'
  | 'BuildFailed';

/** `message` says what happened, to what, and what to do next; never a secret's value. `lines` are the last ones of a log. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly reason: BuildFailureReason;
  readonly lines: readonly string[];

  constructor(
    reason: BuildFailureReason,
    message: string,
    { lines = [], ...options }: ErrorOptions & { lines?: readonly string[] } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.lines = lines;
  }
}

/** Names what a program that failed was for; whatever else was thrown is thrown on. */
export function because(reason: BuildFailureReason, what: string, advice: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof FailedProgram)) throw error as Error;
    if (error.missing) throw missingProgram(error);
    const { lines } = error;
    throw new BuildError(reason, `${what}: ${error.message}; ${advice}`, { lines, cause: error });
  };
}

function missingProgram(error: FailedProgram): BuildError {
  const message = `There is no program ${error.command}; install it, or build in the cluster`;
  return new BuildError('ProgramMissing', message, { cause: error });
}

/** Makes a BuildError of whatever was thrown. */
export function toBuildError(error: unknown): BuildError {
  if (error instanceof BuildError) return mendSpace(error);
  if (error instanceof FailedProgram && error.missing) return missingProgram(error);
  if (error instanceof FailedProgram) return mendSpace(new BuildError('BuildFailed', error.message, error));
  const failure = toFetchError(error);
  if (failure.reason !== 'StoreFailed') return new BuildError(failure.reason, failure.message, { cause: error });
  return new BuildError('BuildFailed', error instanceof Error ? error.message : String(error), { cause: error });
}

/** Whatever a program was doing: when the disk is full, that is what a person must know. */
function mendSpace(error: BuildError): BuildError {
  if (!error.lines.some((line) => /No space left on device|Disk quota exceeded/.test(line))) return error;
  const message = `The disk is full (${error.message}); give the build more room`;
  return new BuildError('NoSpace', message, { lines: error.lines, cause: error });
}

/** Of a termination message there are 4096 bytes; the answer around this takes a few. */
const mostBytes = 3500;

/** The failure as an answer: with as many of the last lines as find room. */
export function failureAnswer(error: BuildError): { reason: string; message: string } {
  const bytes = (text: string) => Buffer.byteLength(JSON.stringify(text));
  const head = truncateBytes(error.message, 1500);
  let tail = '';
  for (const line of error.lines.toReversed()) {
    const longer = `\n${truncateBytes(line, 500)}${tail}`;
    if (bytes(head + longer) > mostBytes) break;
    tail = longer;
  }
  return { reason: error.reason, message: tail === '' ? head : `${head}${tail}` };
}

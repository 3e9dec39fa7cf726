import { backoffMilliseconds, sleep } from '../../runtime/time.ts';
import { FetchError } from '../failure.ts';
import type { Credentials } from './credentials.ts';
import { connectionFailure, isPassing, sourceChanged } from './http-failure.ts';
import { requestFile } from './http-request.ts';
import type { Answer, HttpSettings } from './http-request.ts';
import type { Throttle } from './throttle.ts';

export interface HttpOptions extends HttpSettings {
  signal: AbortSignal;
  /** Asked at the beginning, and again when a server refuses them later: they may have been rotated. None when unset. */
  credentials?: () => Promise<Credentials>;
  /** Slows the download down; several may share one. */
  throttle?: Throttle | undefined;
}

export interface Download {
  /** The bytes of the file, to be iterated once. Throws a FetchError when they end too early. */
  body: AsyncIterable<Uint8Array>;
  /** Where the server tells. */
  totalBytes: number | undefined;
  /** Ends the connection; to be called in any case. */
  close(): Promise<void>;
}

const maxPauseMilliseconds = 60_000;

/**
 * Asks a web server for a file, following at most five redirects; credentials go only to the origin of the first URL.
 * Throws a FetchError that says what is wrong with the source.
 *
 * A download that breaks goes on where it stopped, starting again at the first URL: what was redirected to may have expired.
 * A server that cannot do that sends all of it, and what is had already is skipped. Whether the pieces fit together is for
 * the digest to say; here only a file that has visibly changed is refused.
 */
export async function openHttp(url: string, options: HttpOptions): Promise<Download> {
  const { signal, throttle, vainResumes = 4, credentials: readCredentials = () => Promise.resolve({}) } = options;
  let credentials: Credentials = await readCredentials();
  const first = await requestFile(url, credentials, options);
  let answer: Answer | undefined = first;

  async function requestRest(start: number): Promise<Answer> {
    const part = { start, validator: first.validator };
    const request = () => requestFile(url, credentials, options, part);
    const rest = await request().catch(async (error: unknown) => {
      if (!(error instanceof FetchError) || error.reason !== 'Unauthorized') throw error;
      credentials = await readCredentials();
      return request();
    });
    if (!isChanged(first, rest)) return rest;
    await rest.close();
    throw sourceChanged(rest.host, start);
  }

  async function* chunks(): AsyncGenerator<Uint8Array> {
    let received = 0;
    for (let vain = 0; ; vain += 1) {
      try {
        answer ??= await requestRest(received);
        let known = received - answer.start;
        for await (const chunk of answer.body) {
          await throttle?.(chunk.length, signal);
          signal.throwIfAborted();
          const fresh = chunk.subarray(known);
          known -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          received += fresh.length;
          vain = 0;
          yield fresh;
        }
        if (known > 0) throw sourceChanged(answer.host, received);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const { host, totalBytes } = answer ?? first;
        const failure =
          error instanceof FetchError ? error : connectionFailure(error, host, { progress: { received, totalBytes } });
        if (vain === vainResumes || !isPassing(failure)) throw failure;
      }
      await answer?.close();
      answer = undefined;
      await sleep(pauseMilliseconds(vain, options), signal);
    }
  }

  return { body: chunks(), totalBytes: first.totalBytes, close: async () => answer?.close() };
}

/** Whether it shows that these are two files. An answer need not tell the size, nor both ETag and date. */
function isChanged(first: Answer, rest: Answer): boolean {
  const [size, of] = [first.totalBytes, rest.totalBytes];
  if (size !== undefined && of !== undefined && size !== of) return true;
  const [is, was] = [rest.validator, first.validator];
  return is !== undefined && was !== undefined && is.startsWith('"') === was.startsWith('"') && is !== was;
}

function pauseMilliseconds(vain: number, { resumePauseSeconds = 1, random = Math.random }: HttpOptions): number {
  const growing = { initialMilliseconds: resumePauseSeconds * 1000, maxMilliseconds: maxPauseMilliseconds };
  return backoffMilliseconds(vain, growing, random);
}

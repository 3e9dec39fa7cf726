/** A stream gave no sign of life for too long: its connection is taken for dead. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';
}

/**
 * The items of a stream, which is ended with a SilenceError when none comes for `milliseconds`. `open` gets a signal that
 * aborts then, and when `signal` does.
 */
export async function* failOnSilence<T>(
  open: (signal: AbortSignal) => Promise<AsyncIterable<T>>,
  milliseconds: number,
  signal: AbortSignal,
): AsyncIterable<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new SilenceError('No sign of life')), milliseconds);
  const forward = () => controller.abort(signal.reason);
  if (signal.aborted) forward();
  signal.addEventListener('abort', forward, { once: true });
  try {
    for await (const item of await open(controller.signal)) {
      timer.refresh();
      yield item;
    }
  } catch (error) {
    // An abort surfaces as whatever the transport makes of it; its reason is what matters.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', forward);
  }
}

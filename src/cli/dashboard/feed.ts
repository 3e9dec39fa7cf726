import { deltaOf } from './delta.ts';
import type { Model } from './delta.ts';
import { Turn } from './turn.ts';

/** What all who look at one view are shown. It is made once for all of them, and so is each change, as the event that is sent. */
export interface Feed {
  model: () => Model;
  /** The event that leads from `before` to the model of now; undefined when that is the same. Throws when no model could be made. */
  event: (before: Model) => Buffer | undefined;
  /** Calls back when there is another model, until the returned function is called. */
  subscribe: (changed: () => void) => () => void;
}

/** Where a feed gets its models from. */
export interface FeedSource {
  make: () => Model;
  subscribe: (changed: () => void) => () => void;
}

/** Before anything was sent. */
export const nothing: Model = {};

/** Changes are made together, so often at most. */
const pauseMilliseconds = 300;
/** A view that takes long to make is made more seldom: at most this part of the time goes into it. */
const shareOfTime = 0.2;
/** What changes with time alone. */
const atLatestMilliseconds = 5_000;

/** A feed that is kept up to date until the signal aborts. */
export function createFeed({ make, subscribe }: FeedSource, signal: AbortSignal): Feed {
  const listeners = new Set<() => void>();
  const turn = new Turn();
  let model = make();
  /** Events of the model of now, by where they begin: new viewers begin with nothing, most others with the model before. */
  let events = new Map<Model, Buffer>();
  const eventFrom = (before: Model): Buffer => {
    const event = Buffer.from(`data: ${JSON.stringify(deltaOf(before, model) ?? { set: {}, gone: [] })}\n\n`);
    events.set(before, event);
    return event;
  };
  const forget = subscribe(() => turn.next());
  const tell = () => {
    for (const listener of listeners) listener();
  };
  let failure: Error | undefined;
  const follow = async () => {
    let took = 0;
    while (!signal.aborted) {
      await turn.after(Math.max(pauseMilliseconds, took / shareOfTime), atLatestMilliseconds, signal);
      const began = performance.now();
      const next = make();
      if (deltaOf(model, next) !== undefined) {
        model = next;
        events = new Map();
        tell();
      }
      took = performance.now() - began;
    }
  };
  void follow()
    .catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
      tell();
    })
    .finally(forget);
  return {
    model: () => model,
    event(before) {
      if (failure) throw failure;
      return before === model ? undefined : (events.get(before) ?? eventFrom(before));
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

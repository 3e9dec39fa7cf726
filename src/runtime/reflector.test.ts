import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from './errors.ts';
import type { KubeObject } from './object.ts';
import { Reflector } from './reflector.ts';
import type { ListPage, WatchEnd, WatchEvent } from './reflector.ts';
import { aborted } from './time.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const object = (name: string, resourceVersion: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name, resourceVersion },
});
const refusal = (code: number, retryAfterSeconds?: number) =>
  new ApiError({ code, reason: 'Test', message: `refused with ${code}`, retryAfterSeconds });
const gone = refusal(410);

/** One thing that a scripted server does with a watch: send an event, fail, end in peace, or say nothing for ever. */
type Step<T = KubeObject> = WatchEvent<T> | Error | 'end' | 'silence';
type Page = ListPage<KubeObject> | Error;
const page = (names: string, resourceVersion: string, next?: string): Page => ({
  items: names.split('').map((name) => object(name, resourceVersion)),
  resourceVersion,
  continue: next,
});
const added = (name: string, resourceVersion: string): Step => ({
  type: 'ADDED',
  object: object(name, resourceVersion),
});

async function* play<T>(steps: Step<T>[], signal: AbortSignal): AsyncIterable<WatchEvent<T>> {
  for (const step of steps) {
    if (step === 'end') return;
    if (step === 'silence') await aborted(signal).then(() => Promise.reject(new Error('socket closed')));
    else if (step instanceof Error) throw step;
    else yield step;
  }
}

/** A reflector of a server that plays these lists and watches in turn, and then only is silent. */
function start(lists: Page[], watches: Step[][]) {
  const asked: string[] = [];
  const watchEnds: WatchEnd[] = [];
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 100) / 10;
  const reflector = new Reflector<KubeObject>({
    name: 'things',
    logger: pino({ level: 'silent' }),
    random: () => 0,
    hooks: { listed: () => undefined, event: () => undefined, watchEnded: (why) => watchEnds.push(why) },
    source: {
      list: (options) => {
        asked.push(`${seconds()} list ${options.continue ?? ''}`.trim());
        const next = lists.shift() ?? page('', '0');
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
      },
      watch: ({ resourceVersion, signal }) => {
        asked.push(`${seconds()} watch ${resourceVersion}`);
        return Promise.resolve(play(watches.shift() ?? ['silence'], signal));
      },
    },
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  const names = () =>
    reflector.store
      .list()
      .map(({ metadata }) => metadata.name)
      .sort()
      .join('');
  const after = async (wait: number) => {
    await vi.advanceTimersByTimeAsync(wait * 1000);
    return asked;
  };
  return { reflector, watchEnds, names, after, stop, running };
}

describe('listing', () => {
  test('joins all pages and watches from the revision of the list', async () => {
    const { after, names, reflector } = start([page('ab', '5', 'p2'), page('c', '5')], []);
    expect(reflector.hasSynced()).toBe(false);
    expect(await after(0)).toEqual(['0 list', '0 list p2', '0 watch 5']);
    expect(names()).toBe('abc');
    expect(reflector.hasSynced()).toBe(true);
  });

  test('starts again when its next page is gone, keeping nothing of the first try', async () => {
    const { after, names } = start([page('ab', '5', 'p2'), gone, page('b', '6', 'p2'), page('c', '6')], []);
    expect(await after(0)).toEqual(['0 list', '0 list p2', '0 list', '0 list p2', '0 watch 6']);
    expect(names()).toBe('bc');
  });

  test('is tried for ever, with growing delays', async () => {
    const { after } = start([refusal(500), refusal(403), refusal(401), new Error('ECONNREFUSED'), page('a', '5')], []);
    expect(await after(60)).toEqual(['0 list', '0.8 list', '2.4 list', '5.6 list', '12 list', '12 watch 5']);
  });

  test('waits for as long as a busy server asks', async () => {
    const { after } = start([refusal(429, 20), page('a', '5')], []);
    expect(await after(30)).toEqual(['0 list', '20 list', '20 watch 5']);
  });
});

describe('watching', () => {
  test('goes on from the last revision seen when the server ends it, be that of an object or of a bookmark', async () => {
    const bookmark: Step = { type: 'BOOKMARK', resourceVersion: '9' };
    const { after, names } = start(
      [page('a', '5')],
      [
        [added('b', '7'), 'end'],
        [bookmark, 'end'],
      ],
    );
    expect(await after(0)).toEqual(['0 list', '0 watch 5', '0 watch 7', '0 watch 9']);
    expect(names()).toBe('ab');
  });

  test('goes on after an error with a delay, and without a new list', async () => {
    const { after, watchEnds } = start([page('a', '5')], [[added('b', '7'), new Error('ECONNRESET')]]);
    expect(await after(10)).toEqual(['0 list', '0 watch 5', '0.8 watch 7']);
    expect(watchEnds).toEqual(['error']);
  });

  test('that is refused for a fault in the request is followed by a new list', async () => {
    const { after } = start([page('a', '5'), page('a', '9')], [[refusal(400)]]);
    expect(await after(10)).toEqual(['0 list', '0 watch 5', '0.8 list', '0.8 watch 9']);
  });

  test('is given up for dead after 100 s of silence and begun again at once', async () => {
    const { after, watchEnds, reflector } = start([page('a', '5')], []);
    await after(99);
    expect(reflector.silentSeconds()).toBe(99);
    expect(await after(2)).toEqual(['0 list', '0 watch 5', '100 watch 5']);
    expect(watchEnds).toEqual(['silent']);
    // The server has just accepted the next one: that is a sign of life, although it had nothing to say.
    expect(reflector.silentSeconds()).toBe(1);
  });

  test('of a revision that is gone leads to a new list, whose differences are reported', async () => {
    const { after, names, watchEnds } = start([page('ab', '5'), page('bc', '8')], [[gone]]);
    expect(await after(10)).toEqual(['0 list', '0 watch 5', '0 list', '0 watch 8']);
    expect(names()).toBe('bc');
    expect(watchEnds).toEqual(['gone']);
  });

  test('that is always gone does not become a storm of lists', async () => {
    const { after } = start([page('a', '5'), page('a', '5'), page('a', '5'), page('a', '5')], [[gone], [gone], [gone]]);
    const lists = (await after(60)).filter((line) => line.endsWith('list'));
    expect(lists).toEqual(['0 list', '0 list', '1.6 list', '4.8 list']);
  });

  test('that the server ends at once again and again is not asked for without end', async () => {
    const { after } = start([page('a', '5')], [['end'], ['end'], ['end']]);
    expect(await after(10)).toEqual(['0 list', '0 watch 5', '0.8 watch 5', '2.4 watch 5', '5.6 watch 5']);
  });
});

test('ends with its signal, whatever it is doing', async () => {
  const { after, running, stop } = start([page('a', '5')], []);
  await after(1);
  stop.abort();
  await expect(running).resolves.toBeUndefined();
});

test('drops managed fields and what the caller drops', async () => {
  const item = { ...object('a', '5'), extra: 1 };
  Object.assign(item.metadata, { managedFields: [{ manager: 'x' }] });
  const reflector = new Reflector<typeof item>({
    name: 'things',
    logger: pino({ level: 'silent' }),
    transform: ({ extra, ...rest }) => ({ ...rest, extra: extra + 1 }),
    source: {
      list: () => Promise.resolve({ items: [item], resourceVersion: '5' }),
      watch: ({ signal }) => Promise.resolve(play(['silence'], signal)),
    },
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced(stop.signal);
  expect(reflector.store.get('a')).toEqual({ ...object('a', '5'), extra: 2 });
  stop.abort();
  await running;
});

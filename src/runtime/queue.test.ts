import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WorkQueue } from './queue.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** random() of 0 makes every back-off as long as it can be. */
const backoff = { initialMilliseconds: 100, maxMilliseconds: 1000 };
const createQueue = () => new WorkQueue({ backoff, random: () => 0 });

/** What a worker got so far, without ever saying that it is done. */
function taken(queue: WorkQueue, workers: number): (string | undefined)[] {
  const keys: (string | undefined)[] = [];
  for (let i = 0; i < workers; i++) void queue.take().then((key) => keys.push(key));
  return keys;
}
const settle = () => vi.advanceTimersByTimeAsync(0);

describe('handing out keys', () => {
  test('in the order in which they came, each once however often it was added', async () => {
    const queue = createQueue();
    for (const key of ['a', 'b', 'a', 'a', 'c']) queue.add(key);
    expect(queue.size).toBe(3);
    const keys = taken(queue, 4);
    await settle();
    expect(keys).toEqual(['a', 'b', 'c']);
  });

  test('to a worker that was there before the key', async () => {
    const queue = createQueue();
    const keys = taken(queue, 1);
    queue.add('a');
    await settle();
    expect(keys).toEqual(['a']);
  });

  test('again after the work that was under way when it was added, and never to two workers at once', async () => {
    const queue = createQueue();
    queue.add('a');
    const keys = taken(queue, 2);
    await settle();
    queue.add('a');
    queue.add('a');
    await settle();
    expect(keys).toEqual(['a']);
    queue.done('a');
    await settle();
    expect(keys).toEqual(['a', 'a']);
    queue.done('a');
    const more = taken(queue, 1);
    await settle();
    expect(more).toEqual([]);
  });
});

describe('keys that are added behind', () => {
  const order = async (fill: (queue: WorkQueue) => void, workers = 20) => {
    const queue = createQueue();
    fill(queue);
    const keys = taken(queue, workers);
    await settle();
    return keys.join(' ');
  };

  test('come when no others wait, in their own order', async () => {
    const fill = (queue: WorkQueue) => {
      for (const key of ['x', 'y', 'x']) queue.add(key, 'low');
      for (const key of ['a', 'b']) queue.add(key);
      expect(queue.size).toBe(4);
    };
    expect(await order(fill)).toBe('a b x y');
  });

  test('come at once when no one else does', async () => {
    const queue = createQueue();
    const keys = taken(queue, 1);
    queue.add('x', 'low');
    await settle();
    expect(keys).toEqual(['x']);
  });

  test('come in front when they are added otherwise too, and once', async () => {
    const fill = (queue: WorkQueue) => {
      for (const key of ['x', 'y']) queue.add(key, 'low');
      for (const key of ['a', 'y']) queue.add(key);
      queue.add('a', 'low');
    };
    expect(await order(fill)).toBe('a y x');
  });

  test('come again after the work that was under way', async () => {
    const queue = createQueue();
    queue.add('a');
    const keys = taken(queue, 2);
    await settle();
    queue.add('a', 'low');
    queue.done('a');
    await settle();
    expect(keys).toEqual(['a', 'a']);
  });

  test('come now and then however many others wait', async () => {
    const fill = (queue: WorkQueue) => {
      queue.add('x', 'low');
      for (let i = 0; i < 30; i++) queue.add(String(i));
    };
    expect((await order(fill, 10)).split(' ')).toContain('x');
  });

  test('are forgotten when the queue is drained', async () => {
    const queue = createQueue();
    queue.add('x', 'low');
    await queue.drain();
    expect(queue.size).toBe(0);
  });
});

describe('delays', () => {
  test('hold a key back for as long as asked', async () => {
    const queue = createQueue();
    queue.addAfter('a', 500);
    await vi.advanceTimersByTimeAsync(499);
    expect(queue.size).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(queue.size).toBe(1);
  });

  test.each([
    [500, 200],
    [200, 500],
  ])('the earlier of %d and %d ms counts', async (first, second) => {
    const queue = createQueue();
    queue.addAfter('a', first);
    queue.addAfter('a', second);
    await vi.advanceTimersByTimeAsync(200);
    expect(queue.size).toBe(1);
    const keys = taken(queue, 2);
    await vi.advanceTimersByTimeAsync(1000);
    queue.done('a');
    await settle();
    expect(keys).toEqual(['a']);
  });

  test('are void once the key was handed out for another cause', async () => {
    const queue = createQueue();
    queue.addAfter('a', 500);
    queue.add('a');
    taken(queue, 1);
    await settle();
    queue.done('a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(queue.size).toBe(0);
  });

  test('of more than timers can count do not fire at once', async () => {
    const queue = createQueue();
    queue.addAfter('a', 1e12);
    await vi.advanceTimersByTimeAsync(1000);
    expect(queue.size).toBe(0);
    await queue.drain();
  });
});

describe('back-off', () => {
  /** How long the queue holds the key back after each of so many failures in a row. */
  async function delays(queue: WorkQueue, failures: number): Promise<number[]> {
    const seen: number[] = [];
    for (let i = 0; i < failures; i++) {
      const start = performance.now();
      queue.addRateLimited('a');
      const key = queue.take();
      await vi.advanceTimersToNextTimerAsync();
      await key;
      seen.push(performance.now() - start);
      queue.done('a');
    }
    return seen;
  }

  test('doubles up to its maximum and starts again when the key is forgotten', async () => {
    const queue = createQueue();
    expect(await delays(queue, 6)).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(queue.retries('a')).toBe(6);
    queue.forget('a');
    expect(queue.retries('a')).toBe(0);
    expect(await delays(queue, 1)).toEqual([100]);
  });

  test('is shortened by chance, by a half at most', async () => {
    const queue = new WorkQueue({ backoff, random: () => 0.9999 });
    expect((await delays(queue, 3)).map(Math.round)).toEqual([50, 100, 200]);
  });

  test('is never shorter than the server asks for', async () => {
    const queue = createQueue();
    queue.addRateLimited('a', 5000);
    await vi.advanceTimersByTimeAsync(4999);
    expect(queue.size).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(queue.size).toBe(1);
  });
});

describe('draining', () => {
  test('waits for the work under way, hands out nothing more and lets waiting workers go', async () => {
    const queue = createQueue();
    queue.add('a');
    queue.add('b');
    const keys = taken(queue, 1);
    await settle();
    let drained = false;
    const draining = queue.drain().then(() => (drained = true));
    queue.add('c');
    queue.addAfter('d', 1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await queue.take()).toBeUndefined();
    expect([keys, drained]).toEqual([['a'], false]);
    queue.done('a');
    await draining;
    expect(drained).toBe(true);
  });
});

test('tells how full it is and how long things take', async () => {
  const told = { depth: [] as number[], added: 0, retried: 0, waited: [] as number[], worked: [] as number[] };
  const queue = new WorkQueue({
    random: () => 0,
    backoff,
    hooks: {
      depth: (keys) => told.depth.push(keys),
      added: () => told.added++,
      retried: () => told.retried++,
      waited: (seconds) => told.waited.push(seconds),
      worked: (seconds) => told.worked.push(seconds),
    },
  });
  queue.add('a');
  await vi.advanceTimersByTimeAsync(2000);
  await queue.take();
  await vi.advanceTimersByTimeAsync(3000);
  queue.addRateLimited('a');
  queue.done('a');
  expect(told).toEqual({ depth: [1, 0], added: 1, retried: 1, waited: [2], worked: [3] });
  await queue.drain();
});

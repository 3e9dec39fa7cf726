import { expect, test } from 'vitest';
import { applied } from '../../page/apply.ts';
import type { Delta, Model } from './delta.ts';
import { createFeed, nothing } from './feed.ts';

const read = (event: Buffer | undefined): Delta =>
  JSON.parse(event?.toString().slice('data: '.length) ?? '{}') as Delta;

test('all viewers get the same event, and who fell behind gets what is missing', async () => {
  const stop = new AbortController();
  let model: Model = { a: 1 };
  let tell = () => undefined as unknown;
  const subscribe = (changed: () => void) => {
    tell = changed;
    return () => undefined;
  };
  const feed = createFeed({ make: () => model, subscribe }, stop.signal);
  const become = async (next: Model) => {
    const changed = new Promise<void>((resolve) => {
      const forget = feed.subscribe(() => {
        forget();
        resolve();
      });
    });
    model = next;
    tell();
    await changed;
  };

  const first = feed.model();
  expect(read(feed.event(nothing))).toEqual({ set: { a: 1 }, gone: [] });
  expect(feed.event(first)).toBeUndefined();
  await become({ a: 1, b: 2 });
  const second = feed.model();
  expect(feed.event(first)).toBe(feed.event(first));
  expect(read(feed.event(first))).toEqual({ set: { b: 2 }, gone: [] });
  await become({ b: 3 });
  expect(applied(second, read(feed.event(second)))).toEqual({ b: 3 });
  expect(applied(first, read(feed.event(first)))).toEqual({ b: 3 });
  stop.abort();
});

test('when a view can no longer be made, its viewers get no old one', async () => {
  const stop = new AbortController();
  let tell = () => undefined as unknown;
  let fails = false;
  const make = () => {
    if (fails) throw new Error('This view is broken');
    return { a: 1 };
  };
  const subscribe = (changed: () => void) => {
    tell = changed;
    return () => undefined;
  };
  const feed = createFeed({ make, subscribe }, stop.signal);
  const told = new Promise<void>((resolve) => void feed.subscribe(resolve));
  fails = true;
  tell();
  await told;
  expect(() => feed.event(nothing)).toThrow('This view is broken');
  stop.abort();
});

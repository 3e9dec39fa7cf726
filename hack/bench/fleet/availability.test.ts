import { describe, expect, test } from 'vitest';
import { arrivals, availability, departures, touchedBy } from './availability.ts';
import type { PodChange } from './availability.ts';
import { wavesOf } from './waves.ts';

let revision = 0;
const change = (name: string, how: Partial<PodChange> = {}): PodChange => {
  revision += 1;
  const state = { image: 'os:v1', ready: true, deleting: false, gone: false };
  return { revision, time: revision * 1000, name, uid: name, ...state, ...how };
};
/** What a rollout does with one container: told to stop, gone, a new Pod, Ready. */
const stop = (name: string) => change(name, { deleting: true });
const gone = (name: string) => change(name, { deleting: true, gone: true });
const made = (name: string, image = 'os:v2') => change(name, { image, uid: `${name}-2`, ready: false });
const ready = (name: string, image = 'os:v2') => change(name, { image, uid: `${name}-2` });
const fails = (name: string) => change(name, { ready: false });

const names = ['a', 'b', 'c'];
const allServing = () => names.map((name) => change(name));
const figures = (changes: PodChange[], before = allServing()) => {
  const { mostDown, mostTakenDown, mostDownAtTakeDown } = availability(names, before, changes);
  return [mostDown, mostTakenDown, mostDownAtTakeDown];
};

describe('the most that are down: for any cause, told to stop, for any cause when one was asked to stop', () => {
  test.each<[string, () => PodChange[], number[]]>([
    ['nothing happens', () => [], [0, 0, 0]],
    ['two one after the other', () => [stop('a'), gone('a'), made('a'), ready('a'), stop('b'), gone('b')], [1, 1, 1]],
    ['two at once', () => [stop('a'), stop('b'), gone('a'), made('a'), ready('a')], [2, 2, 2]],
    ['one that is only told to stop is down already', () => [stop('a')], [1, 1, 1]],
    ['one that is killed without a warning', () => [gone('a')], [1, 1, 1]],
    ['one that fails by itself was not taken down', () => [fails('a'), ready('a', 'os:v1')], [1, 0, 0]],
    ['one fails while another is taken down: that is bad luck', () => [stop('a'), fails('b')], [2, 1, 1]],
    ['another is taken down while one has failed: that counts', () => [fails('b'), stop('a')], [2, 1, 2]],
    ['to be taken down is no news for one that has failed', () => [fails('a'), stop('a'), gone('a')], [1, 0, 0]],
    ['a container that no one selected does not count', () => [stop('z'), gone('z')], [0, 0, 0]],
  ])('%s', (_name, changes, expected) => {
    expect(figures(changes())).toEqual(expected);
  });

  test('who is not there at the beginning is down', () => {
    expect(figures([], [change('a')])).toEqual([2, 0, 0]);
    expect(figures([], [...allServing(), stop('b')])).toEqual([1, 0, 0]);
  });
});

test('an outage goes from the word to stop to the next Pod that is Ready, over Pods that never were', () => {
  const changes = [stop('a'), gone('a'), made('a', 'os:v3'), gone('a'), made('a'), ready('a')];
  const { outages } = availability(names, allServing(), changes);
  const [from, to] = [changes[0]?.time, changes[5]?.time];
  expect(outages).toEqual([{ name: 'a', cause: 'TakenDown', from, to, imageBefore: 'os:v1', imageAfter: 'os:v2' }]);
});

test('the mean is taken over the time in which anybody was taken down', () => {
  const [quiet, first, second, firstBack, secondBack] = [ready('c'), stop('a'), stop('b'), ready('a'), ready('b')];
  const at = (it: PodChange, time: number) => ({ ...it, time });
  const changes = [at(quiet, 0), at(first, 1000), at(second, 2000), at(firstBack, 4000), at(secondBack, 5000)];
  // One for 1 s, two for 2 s, one for 1 s.
  expect(availability(names, allServing(), changes).meanDown).toBe(6000 / 4000);
});

test('departures are counted once a container, when its Pod is asked to stop, also of those that had failed', () => {
  const changes = [fails('b'), stop('a'), gone('a'), ready('a'), stop('b'), stop('a')];
  expect(departures(changes)).toEqual([changes[1]?.time, changes[4]?.time]);
});

test('arrivals are counted once a container, when it serves', () => {
  const changes = [made('a'), ready('a'), ready('b', 'os:v1'), ready('a'), ready('b')];
  expect(arrivals(changes, 'os:v2')).toEqual([changes[1]?.time, changes[4]?.time]);
});

test('a container is touched by an image when it ever had a Pod of it, Ready or not', () => {
  expect(touchedBy([made('b', 'os:v3'), gone('b'), made('a'), made('a', 'os:v3')], 'os:v3')).toEqual(['b', 'a']);
});

test('waves begin after the soak of the canaries, and the last one may be smaller', () => {
  const at = (seconds: number, it: PodChange) => ({ ...it, time: seconds * 1000 });
  const moved = (name: string, from: number, to: number) => [at(from, stop(name)), at(to, ready(name))];
  const changes = [
    ...moved('canary', 1, 3),
    ...moved('a', 13, 15),
    ...moved('b', 13, 16),
    ...moved('c', 15, 18),
    ...moved('d', 16, 20),
    ...moved('e', 18, 21),
  ].sort((a, b) => a.time - b.time);
  expect(wavesOf(changes, 'os:v2', 1, 2)).toEqual({
    canarySeconds: 2,
    soakSeconds: 10,
    waveSeconds: [3, 4, 1],
    containersPerSecond: 5 / 8,
  });
});

import { expect, test } from 'vitest';
import { storedImage } from '../../../test/fixtures/agent/desired.ts';
import { planTreeVerification } from './plan.ts';
import type { VerifyObserved } from './plan.ts';

const hour = 3_600_000;
const published = Date.parse('2026-01-01T00:00:00Z');
const startTime = published + 100 * hour + 1000;
const v1 = 'debian-12:v1';
const publishTime = '2026-01-01T00:00:00Z';

const planned = (changes: Partial<VerifyObserved>) => {
  const { action: step, requeueTime } = planTreeVerification({
    images: [storedImage()],
    removals: new Map(),
    verifications: new Map(),
    verifying: undefined,
    intervals: { seconds: 3600, contentSeconds: 86_400 },
    startTime,
    now: startTime,
    ...changes,
  });
  if (!step) return requeueTime === undefined ? 'nothing' : `wake after ${(requeueTime - published) / hour} h`;
  return step.type === 'verify' ? `${step.image.version}${step.content ? ' content' : ''}` : step.type;
};
const seen = (time: number, contentTime?: number) =>
  new Map([[v1, { publishTime, time, ...(contentTime !== undefined && { contentTime }) }]]);
const died = (of: { retryTime?: number; contentRetryTime?: number }) => new Map([[v1, { publishTime, ...of }]]);
const finding = (kind: 'changed' | 'unverified') =>
  new Map([[v1, { publishTime, time: startTime, finding: { kind, message: '' } }]]);

test.each<[string, Partial<VerifyObserved>, string]>([
  ['after a start each image is looked at', {}, 'v1'],
  ['one at a time', { verifying: v1 }, 'nothing'],
  ['then again at its next full hour', { verifications: seen(startTime) }, 'wake after 101 h'],
  [
    'an image that a look died of is not looked at before its time',
    { verifications: died({ retryTime: published + 101 * hour }) },
    'wake after 101 h',
  ],
  [
    'nor read',
    { verifications: died({ retryTime: published + 121 * hour }), now: published + 120.5 * hour },
    'wake after 121 h',
  ],
  [
    'others go on first',
    { images: [storedImage(), storedImage('v2')], verifications: died({ retryTime: published + 101 * hour }) },
    'v2',
  ],
  [
    'one that a read died of is looked at, and not read before its time',
    { verifications: died({ contentRetryTime: published + 200 * hour }), now: published + 120 * hour },
    'v1',
  ],
  ['and not before', { verifications: seen(startTime), now: published + 101 * hour - 1 }, 'wake after 101 h'],
  ['but then', { verifications: seen(startTime), now: published + 101 * hour }, 'v1'],
  ['once a day it is read', { verifications: seen(startTime), now: published + 120 * hour }, 'v1 content'],
  ['once', { verifications: seen(startTime + 20 * hour, startTime + 20 * hour) }, 'wake after 121 h'],
  ['also when it is never looked at', { intervals: { seconds: 0, contentSeconds: 86_400 } }, 'wake after 120 h'],
  ['never, when neither is asked for', { intervals: { seconds: 0, contentSeconds: 0 } }, 'nothing'],
  [
    'what was just published is read once, for the digests',
    { images: [storedImage('v1', { publishTime: '2026-01-05T04:30:00Z' })], now: published + 100.5 * hour },
    'v1 content',
  ],
  [
    'the one first that has waited longest',
    { images: [storedImage(), storedImage('v2')], verifications: seen(startTime) },
    'v2',
  ],
  [
    'what is known of another tree of this name is void',
    { verifications: new Map([[v1, { publishTime: 'x', time: startTime }]]) },
    'v1',
  ],
  [
    'what is about to be removed is left in peace',
    { removals: new Map([[v1, { phase: 'Deleting', removeTime: undefined }]]) },
    'nothing',
  ],
  [
    'also when it has begun',
    { verifying: v1, removals: new Map([[v1, { phase: 'Deleting', removeTime: 1 }]]) },
    'cancelVerify',
  ],
  ['what is gone is not looked at any further', { verifying: 'debian-12:v9' }, 'cancelVerify'],
  ['what a Pod uses is looked at', { removals: new Map([[v1, { phase: 'InUse', checkTime: 1, message: '' }]]) }, 'v1'],
  [
    'what was changed is read at the next look',
    { verifications: finding('changed'), now: published + 101 * hour },
    'v1 content',
  ],
  [
    'what could not be verified is looked at again',
    { verifications: finding('unverified'), now: published + 101 * hour },
    'v1',
  ],
])('%s', (_name, changes, expected) => expect(planned(changes)).toBe(expected));

test('nothing to verify in an empty store', () => expect(planned({ images: [] })).toBe('nothing'));

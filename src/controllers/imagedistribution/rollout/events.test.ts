import { expect, test } from 'vitest';
import type { RolloutStatus } from '../../../api/rollout.ts';
import { eventsFor } from './events.ts';

const begun: RolloutStatus = { image: 'os:v2', startTime: '2026-01-01T00:00:00Z', wave: 0 };
const later: RolloutStatus = { ...begun, wave: 1 };
const halted: RolloutStatus = { ...later, haltTime: '2026-01-01T01:00:00Z', haltReason: 'R', haltMessage: 'm' };
const done: RolloutStatus = { ...later, completionTime: '2026-01-01T01:00:00Z' };

test.each<[string, RolloutStatus | undefined, RolloutStatus | undefined, string[]]>([
  ['nothing, where there is no rollout', undefined, undefined, []],
  ['its start', undefined, begun, ['RolloutStarted']],
  ['the start of another one', done, { ...begun, startTime: '2026-01-02T00:00:00Z' }, ['RolloutStarted']],
  ['nothing of a soak', begun, { ...begun, soakStartTime: '2026-01-01T00:30:00Z' }, []],
  ['that the canaries are well', begun, later, ['CanariesSucceeded']],
  ['nothing of later waves', later, { ...later, wave: 2 }, []],
  ['its halt', later, halted, ['RolloutHalted']],
  ['that only once', halted, halted, []],
  ['its end', later, done, ['RolloutCompleted']],
  ['that only once', done, done, []],
])('events tell %s', (_name, before, after, expected) => {
  expect(eventsFor(before, after).map(({ reason }) => reason)).toEqual(expected);
});

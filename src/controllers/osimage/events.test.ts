import { expect, test } from 'vitest';
import type { OSImageStatus } from '../../api/osimage.ts';
import { eventsFor } from './events.ts';

const status = (type: string, state: 'True' | 'False' | 'Unknown', reason: string): OSImageStatus => ({
  conditions: [{ type, status: state, reason, message: 'm', lastTransitionTime: '2026-01-01T00:00:00Z' }],
});
const building = status('Built', 'Unknown', 'Building');

test.each<[string, OSImageStatus | undefined, OSImageStatus, string[]]>([
  ['a build that begins', undefined, building, ['Normal BuildStarted']],
  ['a build that goes on', building, building, []],
  ['a build that is done', building, status('Built', 'True', 'Pushed'), ['Normal Built']],
  ['a build that failed', building, status('Built', 'False', 'PackagesFailed'), ['Warning BuildFailed']],
  [
    'a build that failed, and is reported in other words',
    status('Built', 'False', 'BuildFailed'),
    status('Built', 'False', 'TimedOut'),
    [],
  ],
  ['a build that is tried again', status('Built', 'False', 'BuildFailed'), building, ['Normal BuildStarted']],
  ['a test that begins', undefined, status('Verified', 'Unknown', 'Running'), []],
  ['a test that passed', undefined, status('Verified', 'True', 'Passed'), ['Normal VerificationPassed']],
  ['a test that failed', undefined, status('Verified', 'False', 'Failed'), ['Warning VerificationFailed']],
  ['what others publish', undefined, status('Published', 'True', 'ExternalSource'), []],
  ['what waits for its turn', undefined, status('Published', 'False', 'WaitingForBuild'), []],
  [
    'what is published',
    status('Published', 'Unknown', 'Publishing'),
    status('Published', 'True', 'Published'),
    ['Normal Published'],
  ],
])('%s', (_name, before, after, expected) => {
  expect(eventsFor(before, after).map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
});

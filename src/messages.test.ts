import { describe, expect, test } from 'vitest';
import {
  escapePattern,
  examplesOf,
  messagesOfLaunch,
  messagesOfSources,
  messagesOfStatus,
  wordsOf,
} from '../test/fixtures/messages.ts';
import type { Shape } from '../test/fixtures/messages.ts';
import { deathMessage, removalDeathMessage } from './agent/status/image-status.ts';
import { reasons as ofStores } from './agent/status/reasons.ts';
import { reasons as ofImages } from './controllers/osimage/reasons.ts';
import { launchReasons } from './controllers/hostedcontainer/outcome.ts';

/** The documentation shows each failure as a person meets it. */

/** Of conditions, those that say that something is wrong and are not the sum of others. */
const summed = ['FetchFailed', 'FetchRetrying', 'BuildFailed', 'PublishFailed', 'JobRefused', 'PodRefused'];
const stated = [...Object.entries(ofStores), ...Object.entries(ofImages)].flatMap(([reason, end]) =>
  (end === 'Person' || /Conflict|Broken|Changed|Differ|SecretIn/.test(reason)) && !summed.includes(reason)
    ? [reason]
    : [],
);

/** As many letters of a message are its own; what only quotes somebody else says nothing of what the code writes. */
const leastFixed = 10;

describe.each<[string, string, () => readonly string[], () => Shape[]]>([
  [
    'of agents and builds',
    'docs/messages.md',
    () => [...wordsOf('FailureReason'), ...wordsOf('BuildFailureReason'), ...stated],
    () => [
      ...messagesOfSources(),
      ...messagesOfStatus('agent', 'controllers'),
      shapeOf('AgentDied', deathMessage(1)),
      shapeOf('AgentDied', deathMessage(2)),
      shapeOf('RemovalRetrying', removalDeathMessage({ name: 'debian-12.v36.3f2a91c0', deaths: 1 })),
      shapeOf('RemovalFailed', removalDeathMessage({ name: 'debian-12.v36.3f2a91c0', deaths: 3 })),
    ],
  ],
  ['of launch', 'docs/api/hostedcontainer.md', () => [...launchReasons], messagesOfLaunch],
])('messages %s', (_name, page, reasons, shapes) => {
  const examples = examplesOf(page);
  const known = shapes();

  test('are found in the code for all reasons', () => {
    expect(reasons().length).toBeGreaterThan(7);
    expect(reasons().filter((reason) => !known.some((it) => it.reason === reason))).toEqual([]);
  });

  test('have an example for each reason', () => {
    expect(reasons().filter((reason) => !examples.some((it) => it.reason === reason))).toEqual([]);
  });

  test('are shown as the code writes them', () => {
    const isWritten = ({ reason, message }: { reason: string; message: string }) =>
      known.some((it) => it.reason === reason && it.fixed.length >= leastFixed && it.pattern.test(message));
    // What no one foresaw has the words of a program alone.
    const foreseen = examples.filter(({ reason }) => reason !== 'BuildFailed');
    expect(foreseen.filter((it) => !isWritten(it))).toEqual([]);
  });
});

function shapeOf(reason: string, message: string): Shape {
  return { reason, pattern: new RegExp(`^${escapePattern(message)}$`), fixed: message, where: '' };
}

test('each message of an agent or a build says what to do next', () => {
  const isAdvice = /[;:] [a-z]|; it is|look at|two commands: build/;
  const silent = messagesOfSources().filter(
    // `kubectl monoroot image import` adds what to do at a terminal.
    ({ fixed, where }) => fixed.length >= leastFixed && !isAdvice.test(fixed) && !/\/resolve\.ts:/.test(where),
  );
  expect(silent.map(({ where, fixed }) => `${where} ${fixed}`)).toEqual([]);
});

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { End } from './ends.ts';
import { reasons as hostedContainer } from './hostedcontainer/reasons.ts';
import { reasons as imageDistribution } from './imagedistribution/reasons.ts';
import { reasons as osImage } from './osimage/reasons.ts';
import { documentedEnds } from '../../test/fixtures/ends.ts';

/** Every reason of every kind ends in one way, and its page says in which. */

const kinds: [string, Readonly<Record<string, End>>][] = [
  ['hostedcontainer', hostedContainer],
  ['imagedistribution', imageDistribution],
  ['osimage', osImage],
];

test.each(kinds)('the page of %s has each reason once, with the way in which the code ends it', (kind, reasons) => {
  expect(documentedEnds(kind)).toEqual(Object.entries(reasons).sort());
});

/** Those tell of events, of what Jobs have failed with, and of the ledger. */
const others = ['events.ts', 'job-outcome.ts', 'outcome.ts'];
const folders: [string, string[], Readonly<Record<string, End>>][] = [
  ['HostedContainers', ['hostedcontainer'], hostedContainer],
  [
    'ImageDistributions',
    ['imagedistribution', 'imagedistribution/rollout', 'imagedistribution/rollout/gates'],
    imageDistribution,
  ],
  ['OSImages', ['osimage', 'osimage/stages'], osImage],
];

test.each(folders)('the code of %s gives no other reason', (_kind, names, reasons) => {
  const files = names.flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, import.meta.url))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !others.includes(file))
      .map((file) => readFileSync(new URL(`${folder}/${file}`, import.meta.url), 'utf8')),
  );
  const given = files.flatMap((text) => [...text.matchAll(/\breason(?::| \?\?) '([A-Z]\w+)'/g)].map(([, it]) => it));
  expect(given.length).toBeGreaterThan(5);
  expect(given.filter((it) => it !== undefined && !Object.hasOwn(reasons, it))).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { reasons as ofStores } from '../../../src/agent/status/reasons.ts';
import { launchReasons } from '../../../src/controllers/hostedcontainer/outcome.ts';
import { reasons as ofContainers } from '../../../src/controllers/hostedcontainer/reasons.ts';
import { reasons as ofDistributions } from '../../../src/controllers/imagedistribution/reasons.ts';
import { reasons as ofImages } from '../../../src/controllers/osimage/reasons.ts';
import { root } from './pages.ts';

// Whoever is paged finds the state that waits for a person in the table "Paged" of docs/operations.md.

const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
const table = /^## Paged$([^]*?)^#/m.exec(page)?.[1] ?? '';

/** The row for all reasons of launch links to their own table. */
const isLinked = (reason: string) => launchReasons.has(reason);

test.each([
  ['HostedContainer', ofContainers],
  ['ImageDistribution', ofDistributions],
  ['OSImage', ofImages],
  ['NodeStore', ofStores],
])('every reason of a %s that waits for a person is in the table "Paged"', (_kind, reasons) => {
  const waiting = Object.entries<string>(reasons).flatMap(([reason, end]) => (end === 'Person' ? [reason] : []));
  expect(waiting.length).toBeGreaterThan(2);
  expect(waiting.filter((it) => !isLinked(it) && !new RegExp(`\\b${it}\\b`).test(table))).toEqual([]);
});

test('what says nothing about the image is there, too', () => {
  for (const reason of ['NoMounts', 'Interrupted', 'NodeUnreachable']) expect(table).toContain(reason);
});

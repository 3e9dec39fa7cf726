import { expect, test } from 'vitest';
import { silentScreen } from '../lib/terminal.ts';
import { createClaims } from './claims.ts';

test('a claim that was never checked has failed', () => {
  const { lines, failed } = createClaims(silentScreen, () => 0).summary();
  expect(failed).toBe(lines.length);
  expect(lines.every((line) => line.startsWith('✗') && line.endsWith('not reached'))).toBe(true);
});

test('a claim holds when all facts do, and a later good part fixes no bad one', () => {
  const claims = createClaims(silentScreen, () => 0);
  const all = claims.summary().failed;
  claims.check('cluster', { 'three nodes': true, 'two operators': true });
  expect(claims.summary().failed).toBe(all - 1);
  claims.check('served', { 'v1 has its hash': false });
  claims.check('served', { 'v2 has its hash': true });
  expect(claims.summary().failed).toBe(all - 1);
});

test('a claim without facts has shown nothing', () => {
  const claims = createClaims(silentScreen, () => 0);
  const all = claims.summary().failed;
  claims.check('distributed', {});
  expect(claims.summary().failed).toBe(all);
});

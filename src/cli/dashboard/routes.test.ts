import { expect, test } from 'vitest';
import { pathOf, viewAt } from './routes.ts';

const at = (path: string, query = '') => viewAt(path, new URLSearchParams(query));

test.each([
  ['/', { name: 'fleet' }],
  ['/rollouts', { name: 'rollouts' }],
  ['/rollouts/', { name: 'rollouts' }],
  ['/rollouts/debian-12', { name: 'rollout', object: 'debian-12' }],
  ['/images/debian-12.v36', { name: 'image', object: 'debian-12.v36' }],
  ['/nodes/node-1', { name: 'node', object: 'node-1' }],
  ['/containers/shops/shop', { name: 'container', namespace: 'shops', object: 'shop' }],
])('%s is a view', (path, view) => expect(at(path)).toEqual(view));

test('the history names its operating system in the query', () => {
  expect(at('/history', 'os=debian-12')).toEqual({ name: 'history', os: 'debian-12' });
  expect(at('/history')).toEqual({ name: 'history', os: undefined });
});

test.each([
  '/x',
  '/containers',
  '/containers/a',
  '/containers/a/b/c',
  '/rollouts/a/b',
  '/history/a',
  '/%',
  '//',
  '/constructor/a',
  '/__proto__',
])('%s is none', (path) => expect(at(path)).toBeUndefined());

test('the address of an object leads back to it, whatever its name', () => {
  const path = pathOf({ kind: 'HostedContainer', namespace: 'a b', name: '<x>/?#' });
  expect(at(path)).toEqual({ name: 'container', namespace: 'a b', object: '<x>/?#' });
});

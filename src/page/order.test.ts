import { expect, test } from 'vitest';
import type { ContainerRow, State } from '../cli/dashboard/views.ts';
import { inOrder, keysOf } from './order.ts';

const row = (name: string, state: State, more: Partial<ContainerRow> = {}): ContainerRow => ({
  name,
  namespace: 'shops',
  os: 'debian-12',
  state,
  reason: 'Running',
  restarts: 0,
  ...more,
});

test('those that need a person come first, then all by name', () => {
  const rows = [row('b', 'Well'), row('c', 'Moving'), row('a', 'Well'), row('z', 'NeedsYou'), row('a', 'Down')];
  expect(inOrder(rows).map(({ name, state }) => `${name} ${state}`)).toEqual([
    'z NeedsYou',
    'a Down',
    'c Moving',
    'a Well',
    'b Well',
  ]);
});

test('a filter finds a container by its name, image, target, node and reason, in any case', () => {
  const { text } = keysOf(row('Shop', 'Moving', { image: 'debian-12:v1', target: 'debian-12:v2', node: 'Node-1' }));
  for (const part of ['shops/shop', 'debian-12:v1', 'debian-12:v2', 'node-1', 'running']) expect(text).toContain(part);
});

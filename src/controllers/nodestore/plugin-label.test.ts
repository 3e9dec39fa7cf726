import { expect, test } from 'vitest';
import { fleet, labelsOf } from '../../../test/fixtures/fleet-plan.ts';
import { nodeStore } from '../../../test/fixtures/builders.ts';

test('a node whose plugin answers is labelled for direct mounts, and no longer when it does not', () => {
  const withPlugin = (directMounts: boolean) => {
    const store = nodeStore('n1', []);
    return fleet({ stores: [{ ...store, status: { ...store.status, ...(directMounts && { directMounts }) } }] });
  };
  expect(labelsOf(withPlugin(true))).toEqual({ 'monoroot.dev/direct-mounts': 'true' });
  expect(labelsOf(withPlugin(false))).toEqual({});
});

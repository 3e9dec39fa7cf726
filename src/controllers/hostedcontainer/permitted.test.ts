import { expect, test } from 'vitest';
import { findCondition } from '../../runtime/conditions.ts';
import { running } from '../../../test/fixtures/upgrading.ts';

test('what an earlier version let through is reported, and runs on, but no other Pod is made of it', () => {
  const w = running();
  const uid = w.pod?.metadata.uid;
  const podTemplate = {
    automountServiceAccountToken: false,
    securityContext: { addCapabilities: ['DAC_READ_SEARCH'] },
  };
  w.edit({ podTemplate });
  w.settle();
  expect(findCondition(w.object.status?.conditions, 'Permitted')).toMatchObject({
    status: 'False',
    reason: 'NotPermitted',
  });
  expect(findCondition(w.object.status?.conditions, 'Stalled')).toMatchObject({
    status: 'True',
    reason: 'InvalidSpec',
  });
  expect(w.pod?.metadata.uid).toBe(uid);
  w.edit({ podTemplate: { automountServiceAccountToken: false } });
  w.settle();
  expect(findCondition(w.object.status?.conditions, 'Permitted')).toBeUndefined();
});

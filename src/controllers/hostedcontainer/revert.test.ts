import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import { expectValidStatus } from '../../runtime/status.ts';

/** A container that is good on v1, and was asked for v2, which crashes. */
function failing(): World {
  const w = new World({ image: 'os:v1' });
  for (const name of ['os:v1', 'os:v2']) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', ['os:v1', 'os:v2'])];
  w.settle();
  w.pass(15);
  w.behaviours.set('os:v2', 'crashes');
  w.edit({ image: 'os:v2' });
  return w;
}
const messageOf = (w: World, type: string) => w.object.status?.conditions?.find((c) => c.type === type)?.message;

describe('spec.image is written back once', () => {
  test('also against a tool that enforces the failed image at once', () => {
    const w = failing();
    for (let i = 0; i < 60; i++) {
      w.now = new Date(w.now.getTime() + 1000);
      w.kubelet();
      w.reconcile();
      w.edit({ image: 'os:v2' });
    }
    expect(w.specWrites).toBe(1);
    expect(w.image).toBe('os:v1');
    expect([w.condition('Upgraded'), w.condition('Stalled')]).toEqual(['False/FailedBefore', 'True/FailedBefore']);
    expect(w.object.status?.failedImages?.[0]?.attempts).toBe(1);
  });

  test('and told in the run that writes it', () => {
    const w = failing();
    while (w.specWrites === 0) w.pass(1);
    expect(w.object.status?.history?.[0]).toMatchObject({ image: 'os:v2', outcome: 'Reverted' });
    expect(w.condition('Upgraded')).toBe('False/Reverted');
  });
});

describe('spec.image that may not be written back', () => {
  const message = 'hostedcontainers "web" is forbidden: only Flux may write spec';

  test('because a policy says so: the last known good runs all the same, and the refusal is reported and stays reported', () => {
    const w = failing();
    w.specRefusal = { message, isFinal: true };
    w.pass(30);
    expect(w.object.spec.image).toBe('os:v2');
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
    expect([w.condition('Upgraded'), w.condition('Stalled')]).toEqual(['False/FailedBefore', 'True/FailedBefore']);
    expect(messageOf(w, 'Stalled')).toContain(`spec.image could not be written back: ${message}`);
    expectValidStatus(w.object);
    const [writes, actions] = [w.statusWrites, w.actions.length];
    w.pass(600, 10);
    expect([w.statusWrites, w.actions.length]).toEqual([writes, actions]);
    expect(messageOf(w, 'Stalled')).toContain(message);
  });

  test('for the moment: the last known good runs, the failure is reported, and it is written when that is over', () => {
    const w = failing();
    w.specRefusal = { message: 'failed calling webhook "flux": connection refused', isFinal: false };
    for (let i = 0; i < 30; i++) {
      w.now = new Date(w.now.getTime() + 1000);
      w.kubelet();
      w.reconcile();
    }
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
    expect([w.condition('Upgraded'), w.condition('Reconciling')]).toEqual(['False/Reverted', 'True/WriteFailed']);
    expect(messageOf(w, 'Reconciling')).toContain('failed calling webhook');
    const writes = w.statusWrites;
    for (let i = 0; i < 20; i++) w.reconcile();
    expect(w.statusWrites).toBe(writes);
    w.specRefusal = undefined;
    w.pass(5);
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.specWrites).toBe(1);
    expect([w.condition('Upgraded'), w.condition('Reconciling')]).toEqual(['False/Reverted', 'False/Settled']);
  });
});

describe('who went back to the good version has answered the failure', () => {
  const upgrade = (w: World, onFailure: 'RevertSpec' | 'Hold') => ({ ...w.object.spec.upgrade, onFailure });

  /** A container on v1 again: somebody has seen that v2 is not tried again, and asks for v1. */
  function answered(onFailure: 'RevertSpec' | 'Hold'): World {
    const w = failing();
    w.edit({ upgrade: upgrade(w, onFailure) });
    w.pass(30);
    w.edit({ image: 'os:v2' });
    w.pass(5);
    expect(w.condition('Upgraded')).toBe(onFailure === 'Hold' ? 'False/Held' : 'False/FailedBefore');
    w.edit({ image: 'os:v1' });
    w.pass(5);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    return w;
  }

  /** What changes the conditions for a while. */
  const meanwhile: [string, (w: World) => void, (w: World) => void][] = [
    ['it was suspended', (w) => w.edit({ suspend: true }), (w) => w.edit({ suspend: false })],
    ['it was restarted', (w) => w.edit({ restartToken: 'again' }), () => undefined],
    ['another shape of it was asked for', (w) => w.edit({ args: ['-x'] }), () => undefined],
    [
      'a node could not take it',
      (w) => {
        w.nodes = [];
        w.deletePod(true);
      },
      (w) => (w.nodes = [node('node-1', ['os:v1', 'os:v2'])]),
    ],
    [
      'an unknown image was asked for',
      (w) => w.edit({ image: 'os:v8', imagePolicy: 'Strict' }),
      (w) => w.edit({ image: 'os:v1' }),
    ],
  ];

  test.each(['RevertSpec', 'Hold'] as const)('whatever comes between: with %s', (onFailure) => {
    const found = meanwhile.map(([what, begin, end]) => {
      const w = answered(onFailure);
      begin(w);
      w.pass(10);
      end(w);
      w.pass(10);
      expectValidStatus(w.object);
      return [what, w.condition('Upgraded'), w.condition('Ready')];
    });
    expect(found).toEqual(meanwhile.map(([what]) => [what, 'True/UpToDate', 'True/Running']));
  });

  test('also when an earlier version of the operator saw the answer: by what it said then', () => {
    const w = answered('Hold');
    const [last, ...others] = w.object.status?.history ?? [];
    const { held: _held, ...earlier } = last ?? { image: 'os:v2', startTime: '' };
    w.object = { ...w.object, status: { ...w.object.status, history: [earlier, ...others] } };
    w.pass(5);
    w.edit({ suspend: true });
    w.pass(10);
    w.edit({ suspend: false });
    w.pass(10);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('but who has not seen it yet still reads of it', () => {
    const w = failing();
    w.pass(30);
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    w.edit({ suspend: true });
    w.pass(10);
    w.edit({ suspend: false, args: ['-x'] });
    w.pass(10);
    expect(w.condition('Upgraded')).toBe('False/Reverted');
  });

  test.each(['RevertSpec', 'Hold'] as const)(
    'one that follows the default version has asked for nothing: %s',
    (how) => {
      const w = new World({ image: 'os' });
      for (const name of ['os:v1', 'os:v2']) w.images.set(name, osImage(name));
      w.nodes = [node('node-1', ['os:v1', 'os:v2'])];
      w.defaults.set('os', 'v1');
      w.edit({ upgrade: upgrade(w, how) });
      w.settle();
      w.pass(15);
      w.behaviours.set('os:v2', 'crashes');
      w.object = { ...w.object, status: { ...w.object.status, assignedImage: 'os:v2' } };
      w.pass(30);
      expect([w.image, w.condition('Upgraded')]).toEqual(['os:v1', 'False/Reverted']);
    },
  );
});

import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';

const versions = ['os:v1', 'os:v2', 'os:v3'];

function world(spec: Partial<HostedContainerSpec> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of versions) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', versions)];
  return w;
}

function running(spec: Partial<HostedContainerSpec> = {}): World {
  const w = world(spec);
  w.settle();
  w.pass(15);
  expect(w.condition('Upgraded')).toBe('True/UpToDate');
  return w;
}

const notReady = (name: string, reason: string, isAtWork: boolean): OSImage => {
  const image = osImage(name, { ready: false });
  const time = '2026-01-01T00:00:00Z';
  const state = (type: string, status: 'True' | 'False') => ({
    type,
    status,
    reason,
    message: 'as it says',
    lastTransitionTime: time,
  });
  const conditions = [
    state('Ready', 'False'),
    state('Reconciling', isAtWork ? 'True' : 'False'),
    state('Stalled', isAtWork ? 'False' : 'True'),
  ];
  return { ...image, status: { ...image.status, observedGeneration: 1, conditions } };
};

/** What kstatus makes of it, and why: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md */
function kstatus(w: World): string {
  const conditions = w.object.status?.conditions;
  const { generation } = w.object.metadata;
  expect(conditions?.every(({ observedGeneration }) => observedGeneration === generation)).toBe(true);
  const is = (type: string) => {
    const found = findCondition(conditions, type);
    return found?.status === 'True' ? found.reason : undefined;
  };
  const [reconciling, stalled] = [is('Reconciling'), is('Stalled')];
  expect(reconciling === undefined || stalled === undefined).toBe(true);
  if (reconciling !== undefined) return `InProgress ${reconciling}`;
  if (stalled !== undefined) return `Failed ${stalled}`;
  return is('Ready') === undefined ? 'InProgress, and nothing says why' : `Current ${is('Ready') ?? ''}`;
}

describe('each state ends by waiting, or a person must act, or a person wants it so', () => {
  interface Case {
    name: string;
    start?: () => World;
    change: (w: World) => void;
    kstatus: string;
    says?: string;
  }
  const cases: Case[] = [
    { name: 'it runs what is asked for', change: () => undefined, kstatus: 'Current Running' },
    { name: 'it is suspended', change: (w) => w.edit({ suspend: true }), kstatus: 'Current Suspended' },
    {
      name: 'no such image',
      change: (w) => w.edit({ image: 'os:v9' }),
      kstatus: 'Failed UnknownImage',
      says: 'There is no OSImage os.v9: create it, or change spec.image',
    },
    {
      name: 'a condemned image',
      change: (w) => {
        const image = osImage('os:v2');
        const metadata = { ...image.metadata, annotations: { [annotations.condemned]: 'it ate data' } };
        w.images.set('os:v2', { ...image, metadata });
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'Failed ImageCondemned',
      says: 'it ate data. Name another version',
    },
    {
      name: 'an image that is being built',
      change: (w) => {
        w.images.set('os:v2', notReady('os:v2', 'Building', true));
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'InProgress ImageNotReady',
      says: 'Building: as it says',
    },
    {
      name: 'an image that the operator has not looked at',
      change: (w) => {
        const { status: _status, ...image } = osImage('os:v2');
        w.images.set('os:v2', image);
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'InProgress ImageNotReady',
    },
    {
      name: 'an image whose test has failed',
      change: (w) => {
        w.images.set('os:v2', notReady('os:v2', 'VerificationFailed', false));
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'Failed ImageNotReady',
      says: 'VerificationFailed: as it says',
    },
    {
      name: 'an image that is on its way to the node',
      change: (w) => {
        w.nodes = [node('node-1', ['os:v1'])];
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'InProgress WaitingForNode',
    },
    {
      name: 'an image that nothing brings to a node where the container can run',
      change: (w) => {
        w.comesTo = false;
        w.nodes = [node('node-1', ['os:v1'])];
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'Failed WaitingForNode',
      says: 'os:v2 is not on node-1',
    },
    {
      name: 'a node that is cordoned',
      change: (w) => {
        w.nodes = [node('node-1', versions, { unschedulable: true })];
        w.edit({ image: 'os:v2' });
      },
      kstatus: 'InProgress WaitingForNode',
    },
    {
      name: 'a selector that no node has',
      start: () => world({ podTemplate: { automountServiceAccountToken: false, nodeSelector: { disk: 'fast' } } }),
      change: () => undefined,
      kstatus: 'Failed WaitingForNode',
      says: 'none fits its node selector',
    },
    {
      name: 'software that does not exist',
      change: (w) => w.edit({ software: [{ name: 'jdk', osImage: 'jdk:21' }] }),
      kstatus: 'Failed SoftwareNotReady',
      says: 'create it, or change spec.software',
    },
    {
      name: 'software that is being fetched',
      change: (w) => {
        w.images.set('jdk:21', notReady('jdk:21', 'Distributing', true));
        w.edit({ software: [{ name: 'jdk', osImage: 'jdk:21' }] });
      },
      kstatus: 'InProgress SoftwareNotReady',
    },
    {
      name: 'no default version, and nothing is to give one',
      start: () => world({ image: 'os' }),
      change: () => undefined,
      kstatus: 'Failed NoDefaultVersion',
      says: 'activate one with an ImageDistribution',
    },
    {
      name: 'no default version yet',
      start: () => world({ image: 'os' }),
      change: (w) => (w.pendingDefault = { message: 'ImageDistribution os is to make it', waits: true }),
      kstatus: 'InProgress NoDefaultVersion',
      says: 'ImageDistribution os is to make it',
    },
    {
      name: 'no default version, because what is to give it has failed',
      start: () => world({ image: 'os' }),
      change: (w) => (w.pendingDefault = { message: 'ImageDistribution os: NodesFailed', waits: false }),
      kstatus: 'Failed NoDefaultVersion',
      says: 'NodesFailed',
    },
    {
      name: 'a specification that makes no sense',
      change: (w) => w.edit({ resources: { limits: { memory: '20Mi' } } }),
      kstatus: 'Failed InvalidSpec',
    },
    {
      name: 'data that does not exist',
      change: (w) => {
        w.data = () => ({ problem: 'PersistentVolumeClaim gone does not exist: create it, or change spec.data' });
        w.edit({ data: { claimName: 'gone' } });
      },
      kstatus: 'Failed DataUnavailable',
    },
    {
      name: 'a good version that keeps crashing',
      change: (w) => w.behaviours.set('os:v1', 'crashes'),
      kstatus: 'Failed CrashLooping',
      says: 'unexpected end of file',
    },
    {
      name: 'a good version that cannot start any more',
      change: (w) => w.behaviours.set('os:v1', 'mount-script-fails'),
      kstatus: 'Failed MountScriptFailed',
    },
    {
      name: 'a first version that fails',
      start: () => {
        const w = world();
        w.behaviours.set('os:v1', 'crashes');
        return w;
      },
      change: () => undefined,
      kstatus: 'Failed Failed',
    },
  ];
  test.each(cases)('$name', ({ start = running, change, kstatus: expected, says }) => {
    const w = start();
    w.settle();
    change(w);
    w.pass(30);
    expect(kstatus(w)).toBe(expected);
    const type = expected.startsWith('Failed') ? 'Stalled' : 'Reconciling';
    if (says !== undefined) expect(findCondition(w.object.status?.conditions, type)?.message).toContain(says);
  });

  test('one crash is no crash loop', () => {
    const w = running();
    w.behaviours.set('os:v1', 'crashes');
    w.pass(1);
    expect(w.condition('Ready')).toBe('False/Restarting');
    expect(kstatus(w)).toBe('InProgress Restarting');
  });

  test('the Pod of a node that does not answer is waited for, until Kubernetes has given it up', () => {
    const w = running();
    w.nodes = [node('node-1', versions, { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] })];
    const { pod } = w;
    if (!pod) throw new Error('no Pod');
    w.pod = { ...pod, status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] } };
    w.reconcile();
    expect(kstatus(w)).toBe('InProgress NodeUnreachable');
    w.pod = { ...w.pod, metadata: { ...pod.metadata, deletionTimestamp: w.now.toISOString() } };
    w.reconcile();
    expect(kstatus(w)).toBe('Failed NodeLost');
  });

  test('a suspended container whose Pod is still stopping is not settled', () => {
    const w = running();
    w.edit({ suspend: true });
    w.reconcile();
    expect(kstatus(w)).toBe('InProgress Starting');
    w.pass(5);
    expect(kstatus(w)).toBe('Current Suspended');
  });
});

describe('an edit after a revert', () => {
  test('is under way until the Pod of the earlier shape is gone, and the revert is reported all the time', () => {
    const w = running();
    w.behaviours.set('os:v2', 'crashes');
    w.edit({ image: 'os:v2' });
    w.pass(30);
    expect([w.condition('Upgraded'), kstatus(w)]).toEqual(['False/Reverted', 'Current Running']);
    w.edit({ args: ['-x'] });
    const seen: string[] = [];
    for (let i = 0; w.reconcile(); i++) {
      seen.push(`${w.condition('Upgraded')} ${kstatus(w)}`);
      w.kubelet();
      if (i > 20) throw new Error('it never comes to rest');
    }
    expect(seen[0]).toBe('False/Reverted InProgress InProgress');
    expect(seen.at(-1)).toBe('False/Reverted Current Running');
  });
});

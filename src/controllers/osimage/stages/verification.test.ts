import { describe, expect, test } from 'vitest';
import { node, nodeStore, stored } from '../../../../test/fixtures/builders.ts';
import { seenAt } from '../../../../test/fixtures/cached.ts';
import {
  earlier,
  layout,
  verification,
  external,
  tested,
  pod,
  exited,
  waits,
  unscheduled,
  plan,
  settings,
  condition,
  message,
  did,
  done,
  failed,
} from '../../../../test/fixtures/image-life.ts';
import type { OSImageStatus } from '../../../api/osimage.ts';
import { stageObjectName } from './build-job.ts';
import type { Pod, PodStatus } from '../../../api/kubernetes/objects.ts';
import type { Observed } from '../plan.ts';

describe('a test', () => {
  const has = (name = 'n1', state: 'Ready' | 'Fetching' | 'Failed' = 'Ready') =>
    nodeStore(name, ['os:v1'], [stored('os:v1', state, { layout, reason: 'NoSpace', message: 'it is full' })]);
  const name = stageObjectName('verify', external().spec, 'n1 ');
  const chosen = { node: 'n1', pod: name };

  test('waits for the build', () => {
    const it = plan(tested());
    expect([condition(it, 'Verified'), it.status.verification]).toEqual(['Unknown/WaitingForBuild', undefined]);
  });

  test('begins with a node, which fetches it', () => {
    const it = plan(external());
    expect([condition(it, 'Verified'), condition(it, 'Ready')]).toEqual(['Unknown/Fetching', 'False/Fetching']);
    expect(it.status.verification).toEqual({ node: 'n1' });
    expect(did(it)).toEqual([]);
  });

  test('is run when the node has it', () => {
    const it = plan(external({ verification: { node: 'n1' } }), { stores: [has()] });
    expect(did(it)).toEqual([`create Pod ${name}`]);
    expect([condition(it, 'Verified'), it.status.verification]).toEqual(['Unknown/Running', chosen]);
  });

  test.each<['HostPath' | 'Direct', boolean, string | undefined]>([
    ['Direct', true, 'Direct'],
    ['Direct', false, undefined],
    ['HostPath', true, undefined],
  ])(
    'has the mounts that containers will have: default %s, a node with the plugin: %s',
    (defaultMounts, has1, mounts) => {
      const digest = `scaffold@sha256:${'a'.repeat(64)}`;
      const it = node('n1');
      const labels = { ...it.metadata.labels, ...(has1 && { 'monoroot.dev/direct-mounts': 'true' }) };
      const [made] = plan(external({ verification: { node: 'n1' } }), {
        stores: [has()],
        nodes: [{ ...it, metadata: { ...it.metadata, labels } }],
        settings: { ...settings, scaffolds: { merged: digest, split: digest }, defaultMounts },
      }).actions;
      expect((made as { pod: Pod }).pod.metadata.labels?.['monoroot.dev/mounts']).toBe(mounts);
    },
  );

  test('whose container was made without its mounts is made again, and says nothing of the image', () => {
    const status = exited(125, 'monoroot: NoMounts: the node plugin of direct mounts did not answer');
    const direct = pod('verify', name, status);
    direct.metadata.labels = { ...direct.metadata.labels, 'monoroot.dev/mounts': 'Direct' };
    const it = plan(external({ verification: chosen }), { stores: [has()], pods: [direct] });
    expect(did(it)).toEqual([`delete Pod ${name}`]);
    expect(it.status.verification).toMatchObject({ interruption: { reason: 'NoMounts' } });
    expect(it.status.verification?.outcome).toBeUndefined();
    const other = plan(external({ verification: chosen }), { stores: [has()], pods: [pod('verify', name, status)] });
    expect(other.status.verification?.outcome).toBe('Failed');
  });

  test('of which the Pod is made, but not written down, is found by its name', () => {
    const it = plan(external({ verification: { node: 'n1' } }), { stores: [has()], pods: [pod('verify', name, {})] });
    expect([did(it), it.status.verification]).toEqual([[], chosen]);
  });

  test('is run where no Secret is, and one that an earlier version runs elsewhere is ended', () => {
    const stores = [has()];
    const [made] = plan(external({ verification: { node: 'n1' } }), { stores }).actions;
    expect(made).toMatchObject({ type: 'CreatePod', pod: { metadata: { namespace: 'verification' } } });
    const old = pod('verify', name, exited(0));
    old.metadata.namespace = 'system';
    const it = plan(external({ verification: chosen }), { stores, pods: [old] });
    expect(did(it)).toEqual([`create Pod ${name}`, `delete Pod ${name}`]);
    expect(it.actions[1]).toMatchObject({ namespace: 'system' });
    expect(it.status.verification?.outcome).toBeUndefined();
  });

  test('that a node cannot store the image says so, and is not moved elsewhere', () => {
    const nodes = [node('n1'), node('n2')];
    const it = plan(external({ verification: { node: 'n1' } }), { nodes, stores: [has('n1', 'Failed')] });
    expect([condition(it, 'Verified'), condition(it, 'Stalled')]).toEqual(['False/NoSpace', 'True/NoSpace']);
    expect(message(it, 'Verified')).toMatch(/n1 could not store it[^]*it is full[^]*cordon/);
    expect(it.status.verification).toEqual({ node: 'n1' });
  });

  test('that the API server refuses says so', () => {
    const it = plan(external({ verification: { node: 'n1' } }), { stores: [has()], refusal: 'pods "v" is forbidden' });
    expect([condition(it, 'Verified'), message(it, 'Verified')]).toEqual(['False/PodRefused', 'pods "v" is forbidden']);
    expect([did(it), it.status.verification]).toEqual([[], { node: 'n1' }]);
  });

  const disrupted = { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }] };
  test.each<[string, PodStatus, string, RegExp, string[]]>([
    ['runs', { phase: 'Running' }, 'Unknown/Running', /on n1$/, []],
    ['finds no room on its node', unscheduled, 'Unknown/Running', /0\/3 nodes/, []],
    ['passes', exited(0), 'True/Passed', /passed on n1/, []],
    ['fails', exited(3, 'nginx: no such file'), 'False/Failed', /exit code 3 on n1[^]*no such file[^]*retry/, []],
    [
      'is not started by the mount script',
      exited(125, 'monoroot: MountScriptFailed: exited with 1'),
      'False/Failed',
      /MountScriptFailed/,
      [],
    ],
    [
      'uses more of the disk than it may',
      exited(137, 'writing', { reason: 'Evicted', message: 'exceeds the limit' }),
      'False/Failed',
      /exit code 137 on n1: exceeds the limit[^]*writing/,
      [],
    ],
    [
      'does not end in time',
      exited(137, 'still waiting', { reason: 'DeadlineExceeded' }),
      'False/TimedOut',
      /within 300 s[^]*still waiting/,
      [],
    ],
    ['is just being ended', { phase: 'Running', reason: 'DeadlineExceeded' }, 'Unknown/Running', /on n1$/, []],
    [
      'passes too late',
      exited(0, '', { reason: 'DeadlineExceeded', phase: 'Failed' }),
      'False/TimedOut',
      /within 300 s/,
      [],
    ],
    [
      'cannot be started in time',
      { ...waits('CreateContainerError', 'no such directory'), phase: 'Failed', reason: 'DeadlineExceeded' },
      'Unknown/Running',
      /DeadlineExceeded/,
      [`delete Pod ${name}`],
    ],
    [
      'ends with its node, so that no one knows how',
      {
        phase: 'Failed',
        containerStatuses: [
          {
            name: 'main',
            ready: false,
            restartCount: 0,
            state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located' } }, // prettier-ignore
          },
        ],
      },
      'Unknown/Running',
      /ContainerStatusUnknown/,
      [`delete Pod ${name}`],
    ],
    ['passes before it is ended for the sake of its node', exited(0, '', disrupted), 'True/Passed', /./, []],
    ['is ended for the sake of its node', exited(137, '', disrupted), 'Unknown/Running', /./, [`delete Pod ${name}`]],
    [
      'is not taken by the kubelet',
      { phase: 'Failed', reason: 'OutOfmemory', message: 'Node did not have enough resource' },
      'Unknown/Running',
      /enough resource/,
      [`delete Pod ${name}`],
    ],
  ])('that %s', (_name, status, expected, text, actions) => {
    const it = plan(external({ verification: chosen }), { stores: [has()], pods: [pod('verify', name, status)] });
    expect(condition(it, 'Verified')).toBe(expected);
    expect(message(it, 'Verified')).toMatch(text);
    expect(did(it)).toEqual(actions);
    const passed = expected.startsWith('True');
    expect(condition(it, 'Ready').startsWith('True')).toBe(passed);
    expect(it.status.verification?.outcome).toBe(
      passed ? 'Passed' : expected.startsWith('False') ? 'Failed' : undefined,
    );
  });

  test('that no kubelet takes is made again at once, then after pauses that grow', () => {
    const rejected = (uid: string) => {
      const it = pod('verify', name, { phase: 'Failed', reason: 'OutOfmemory', message: 'No room' });
      return { ...it, metadata: { ...it.metadata, uid } };
    };
    let status: OSImageStatus['verification'];
    const waits = ['a', 'b', 'c', 'd'].map((uid) => {
      status ??= chosen;
      const it = plan(external({ verification: status }), { stores: [has()], pods: [rejected(uid)] });
      status = it.status.verification;
      const again = plan(external({ verification: status }), { stores: [has()], pods: [rejected(uid)] });
      expect([again.status.verification, did(again)]).toEqual([status, did(it)]);
      // The Pod is gone, and the next one is made.
      if (did(it).length > 0)
        status = plan(external({ verification: status }), { stores: [has()] }).status.verification;
      return did(it).length > 0 ? 0 : it.requeueAfterSeconds;
    });
    expect(waits).toEqual([0, 10, 20, 40]);
    expect(status?.interruption).toMatchObject({ count: 4, reason: 'OutOfmemory', message: 'No room' });
  });

  test('that somebody deletes is made again at once, then after pauses that grow, also when it is seen going for long', () => {
    let status: OSImageStatus['verification'];
    const waits = ['a', 'b', 'c', 'd'].map((uid) => {
      const it = pod('verify', name, { phase: 'Running' });
      const going = { ...it, metadata: { ...it.metadata, uid, deletionTimestamp: earlier } };
      for (let looks = 0; looks < 3; looks++)
        status = plan(external({ verification: status ?? chosen }), { stores: [has()], pods: [going] }).status
          .verification;
      const next = plan(external({ verification: status }), { stores: [has()] });
      expect(next.status.verification).toEqual(status);
      return did(next).length > 0 ? 0 : next.requeueAfterSeconds;
    });
    expect(waits).toEqual([0, 10, 20, 40]);
    expect(status?.interruption).toMatchObject({ count: 4, reason: 'Deleted' });
  });

  test('that somebody deletes at once, so that it is never seen going, counts the same', () => {
    let status: OSImageStatus['verification'] = chosen;
    const waits = ['a', 'b', 'c'].map((uid) => {
      const it = pod('verify', name, { phase: 'Running' });
      const deletedByOthers = [{ ...it, metadata: { ...it.metadata, uid } }];
      const look = () => plan(external({ verification: status }), { stores: [has()], deletedByOthers });
      for (let looks = 0; looks < 3; looks++) status = look().status.verification;
      const next = look();
      expect(next.status.verification).toEqual(status);
      return did(next).length > 0 ? 0 : next.requeueAfterSeconds;
    });
    expect(waits).toEqual([0, 10, 20]);
    expect(status.interruption).toMatchObject({ count: 3, reason: 'Deleted' });
  });

  test('whose Pod is being removed waits for the next one', () => {
    const going = pod('verify', name, exited(3));
    going.metadata.deletionTimestamp = earlier;
    const it = plan(external({ verification: chosen }), { stores: [has()], pods: [going] });
    expect([condition(it, 'Verified'), did(it)]).toEqual(['Unknown/Running', []]);
  });

  test('has its Pod removed once it is written down that it has passed, and keeps that of a failure', () => {
    const left = [pod('verify', name, exited(0))];
    expect(did(plan(external({ verification: { ...done.passed, pod: name } }), { pods: left }))).toEqual([
      `delete Pod ${name}`,
    ]);
    const kept = plan(external({ verification: { ...failed.verification, pod: name } }), { pods: left });
    expect([did(kept), condition(kept, 'Verified')]).toEqual([[], 'False/Failed']);
  });

  test('says when it was started and when it ended', () => {
    const it = plan(external({ verification: chosen }), { stores: [has()], pods: [pod('verify', name, exited(3))] });
    expect(it.status.verification).toMatchObject({ startTime: earlier, completionTime: earlier });
  });

  describe('is on a node', () => {
    const away = { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] };
    const arm = { 'kubernetes.io/arch': 'arm64' };
    const running = [pod('verify', name, { phase: 'Running' })];
    const nodeOf = (o: Partial<Observed>, image = external()) => plan(image, o).status.verification?.node;

    test.each<[string, Partial<Observed>, string | undefined]>([
      ['of the architecture', { nodes: [node('n1', [], {}, arm), node('n2')] }, 'n2'],
      ['that takes new Pods', { nodes: [node('n1', [], { unschedulable: true }), node('n2')] }, 'n2'],
      ['that is ready', { nodes: [node('n1', [], away), node('n2')] }, 'n2'],
      [
        'that has no taint',
        { nodes: [node('n1', [], { taints: [{ key: 'k', effect: 'NoSchedule' }] }), node('n2')] },
        'n2',
      ],
      ['if there is any', { nodes: [node('n1', [], away)] }, undefined],
      ['that has it already', { nodes: [node('n1'), node('n2'), node('n3')], stores: [has('n3')] }, 'n3'],
      ['that has an agent', { nodes: [node('n1'), node('n2'), node('n3')], stores: [nodeStore('n2', [])] }, 'n2'],
      ['that did not fail to get it', { nodes: [node('n1'), node('n2')], stores: [has('n1', 'Failed')] }, 'n2'],
    ])('%s', (_name, o, expected) => expect(nodeOf(o)).toBe(expected));

    test('that the spec selects', () => {
      const image = external();
      image.spec.verification = { ...verification, nodeSelector: { pool: 'test' } };
      const nodes = [node('n1'), node('n2', [], {}, { pool: 'test' })];
      expect(nodeOf({ nodes }, image)).toBe('n2');
      const none = plan(image, { nodes: [node('n1')] });
      expect([condition(none, 'Verified'), condition(none, 'Reconciling')]).toEqual([
        'Unknown/WaitingForNode',
        'True/WaitingForNode',
      ]);
      expect(message(none, 'Verified')).toContain('pool=test');
    });

    test('that stays the same, though another has the image now', () => {
      const nodes = [node('n1'), node('n2')];
      expect(nodeOf({ nodes, stores: [has('n2')] }, external({ verification: { node: 'n1' } }))).toBe('n1');
    });

    test('that is the same whatever the order of what is seen, and not the same for all images', () => {
      const nodes = Array.from({ length: 9 }, (_, i) => node(`n${i}`));
      const of = (version: string, seen = nodes) => {
        const image = external();
        return nodeOf({ nodes: seen }, { ...image, metadata: { ...image.metadata, name: `os.${version}` } });
      };
      expect(of('v1')).toBe(of('v1', nodes.toReversed()));
      expect(new Set(['v1', 'v2', 'v3', 'v4', 'v5', 'v6'].map((v) => of(v))).size).toBeGreaterThan(2);
    });

    test.each<[string, Partial<Observed>, string]>([
      ['that goes away is followed by another', { nodes: [node('n2')] }, 'n2'],
      ['that does not answer any more is followed by another', { nodes: [node('n1', [], away), node('n2')] }, 'n2'],
      [
        'that is cordoned before the Pod is made is followed by another',
        { nodes: [node('n1', [], { unschedulable: true }), node('n2')], pods: [] },
        'n2',
      ],
      [
        'that is cordoned while the test runs finishes it',
        { nodes: [node('n1', [], { unschedulable: true }), node('n2')] },
        'n1',
      ],
    ])('%s', (_name, o, expected) => {
      const it = plan(external({ verification: chosen }), { pods: running, ...o });
      expect(it.status.verification?.node).toBe(expected);
      expect(did(it)).toEqual(expected === 'n2' && o.pods === undefined ? [`delete Pod ${name}`] : []);
    });

    test('whose agent has been silent for too long is followed by another', () => {
      const silent = seenAt(has('n1', 'Fetching'), Date.parse('2026-02-03T03:00:00Z'));
      const it = plan(external({ verification: { node: 'n1' } }), {
        nodes: [node('n1'), node('n2')],
        stores: [silent],
      });
      expect(it.status.verification).toEqual({ node: 'n2' });
    });
  });
});

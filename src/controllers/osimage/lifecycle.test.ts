import { describe, expect, test } from 'vitest';
import {
  builtImage,
  distribution,
  node,
  nodeStore,
  osImage,
  sha256Of,
  stored,
} from '../../../test/fixtures/builders.ts';
import { annotations, labels } from '../../api/names.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import { stepLabels, stepName } from '../../pod/build-job.ts';
import type { Step } from '../../pod/build-job.ts';
import type { Job, Pod, PodStatus } from '../../pod/types.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus } from '../../runtime/status.ts';
import { planOSImage } from './plan.ts';
import type { Observed, Plan } from './plan.ts';

const now = new Date('2026-02-03T04:05:06Z');
const earlier = '2026-02-03T04:00:00Z';
const digest = `sha256:${sha256Of('os:v1')}`;
const layout = { kind: 'merged' as const, directories: ['etc', 'usr'] };
const settings = { namespace: 'system', builderImage: 'builder', scaffolds: { merged: 'm', split: 's' } };
const verification = { command: ['/selftest'], timeoutSeconds: 300 };
const reference = 'registry.example.com/os/production/os:v1';

/** What earlier steps have left in the status. */
const done = {
  build: { job: 'build-os.v1', startTime: earlier, completionTime: earlier, digest },
  passed: { node: 'n1', pod: 'verify-os.v1-x', outcome: 'Passed' as const, completionTime: earlier },
  publication: { job: 'publish-os.v1', startTime: earlier, completionTime: earlier, reference },
};
const failed = {
  build: {
    job: 'build-os.v1',
    startTime: earlier,
    completionTime: earlier,
    reason: 'PackagesFailed',
    message: 'no nginx',
  },
  verification: { ...done.passed, outcome: 'Failed' as const, reason: 'Failed', message: 'exit code 3' },
  publication: { job: 'publish-os.v1', startTime: earlier, reason: 'SignFailed', message: 'no key' },
};
const built = (status: OSImageStatus = {}, spec = {}): OSImage => ({ ...builtImage('os:v1', {}, spec), status });
const external = (status: OSImageStatus = {}): OSImage => ({
  ...osImage('os:v1', { spec: { verification } }),
  status,
});
const tested = (status: OSImageStatus = {}) => built(status, { verification });
const withRetry = (image: OSImage, token: string): OSImage => ({
  ...image,
  metadata: { ...image.metadata, annotations: { [annotations.retry]: token } },
});

function job(step: Step, end?: 'Complete' | 'Failed', reason = 'BackoffLimitExceeded', name = `${step}-os.v1`): Job {
  const condition = (type: string) => ({ type, status: 'True', reason, message: 'why', lastTransitionTime: earlier });
  const early = end === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'system', uid: `uid-${name}`, labels: stepLabels(step, built()) },
    spec: { activeDeadlineSeconds: 4200, template: { spec: { activeDeadlineSeconds: 3600 } } } as Job['spec'],
    status: { conditions: end ? [condition(early), condition(end)] : [] },
  };
}
function pod(step: Step, name: string, status: PodStatus, owner?: Job): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{
        name,
        namespace: 'system',
        uid: `uid-${name}`,
        labels: stepLabels(step, built()),
        creationTimestamp: earlier,
      },
      ...(owner && {
        ownerReferences: [
          { apiVersion: 'batch/v1', kind: 'Job', name: owner.metadata.name, uid: owner.metadata.uid ?? '' },
        ],
      }),
    },
    spec: {} as Pod['spec'],
    status,
  };
}
const exited = (exitCode: number, message = '', extra: PodStatus = {}): PodStatus => ({
  phase: exitCode === 0 ? 'Succeeded' : 'Failed',
  containerStatuses: [
    {
      ...{ name: 'main', ready: false, restartCount: 0 },
      state: { terminated: { exitCode, message, startedAt: earlier, finishedAt: earlier } },
    },
  ],
  ...extra,
});
const waits = (reason: string, message: string): PodStatus => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'main', ready: false, restartCount: 0, state: { waiting: { reason, message } } }],
});
const unscheduled: PodStatus = {
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' }],
};
const answers = (o: object) => exited('digest' in o || 'reference' in o ? 0 : 1, JSON.stringify(o));
/** The Job of a step with the Pod that it has made. */
const ran = (step: 'build' | 'publish', end: 'Complete' | 'Failed' | undefined, status: PodStatus, reason?: string) => {
  const it = job(step, end, reason);
  return { jobs: [it], pods: [pod(step, `${it.metadata.name}-abcde`, status, it)] };
};

function plan(image: OSImage, o: Partial<Observed> = {}): Plan {
  const observed = { distributions: [], nodes: [node('n1')], stores: [], jobs: [], pods: [], settings, now, ...o };
  const planned = planOSImage({ image, ...observed });
  expectValidStatus({ ...image, status: planned.status });
  return planned;
}
const condition = ({ status }: Plan, type: string) => {
  const found = findCondition(status.conditions, type);
  return found ? `${found.status}/${found.reason}` : 'absent';
};
const message = ({ status }: Plan, type: string) => findCondition(status.conditions, type)?.message ?? '';
const did = ({ actions }: Plan) =>
  actions.map((action) => {
    switch (action.type) {
      case 'CreateConfigMap':
        return 'create ConfigMap';
      case 'CreateJob':
        return `create Job ${action.job.metadata.name}`;
      case 'CreatePod':
        return `create Pod ${action.pod.metadata.name}`;
      case 'DeleteJob':
        return `delete Job ${action.name}`;
      case 'DeletePod':
        return `delete Pod ${action.name}`;
    }
  });

describe('a build', () => {
  test('begins with its recipe and its Job, and says how to follow it', () => {
    const it = plan(built());
    expect(did(it)).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    expect(condition(it, 'Built')).toBe('Unknown/Building');
    expect(message(it, 'Built')).toContain('kubectl -n system logs -f job/build-os.v1');
    expect(it.status.build).toEqual({ job: 'build-os.v1', startTime: now.toISOString().replace('.000', '') });
    expect(condition(it, 'Verified')).toBe('absent');
    expect(condition(it, 'Published')).toBe('False/WaitingForBuild');
    expect([condition(it, 'Ready'), condition(it, 'Reconciling')]).toEqual(['False/Building', 'True/Building']);
  });

  test('of which the Job is made, but not written down, is found by its name', () => {
    const it = plan(built(), { jobs: [job('build')] });
    expect(did(it)).toEqual([]);
    expect(it.status.build?.job).toBe('build-os.v1');
  });

  test('whose Job was removed begins again', () => {
    const it = plan(built({ build: { job: 'build-os.v1', startTime: earlier } }));
    expect(did(it)).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    expect(it.status.build?.startTime).toBe(earlier);
  });

  const success = { digest, bundleBytes: 5, packages: 7, sbomDigest: digest };
  test.each<[string, Partial<Observed>, string, RegExp]>([
    ['waits while it runs', ran('build', undefined, { phase: 'Running' }), 'Unknown/Building', /follow it/],
    ['says why its Pod finds no node', ran('build', undefined, unscheduled), 'Unknown/Building', /0\/3 nodes/],
    [
      'says that the image of the builder cannot be pulled',
      ran('build', undefined, waits('ImagePullBackOff', 'Back-off pulling image')),
      'Unknown/Building',
      /ImagePullBackOff: Back-off/,
    ],
    ['is not done before the Job says so', ran('build', undefined, answers(success)), 'Unknown/Building', /./],
    ['has pushed it', ran('build', 'Complete', answers(success)), 'True/Pushed', /testing\/os:v1 is sha256:/],
    [
      'fails as the builder says',
      ran('build', 'Failed', answers({ reason: 'PackagesFailed', message: 'no nginx\nE: last line' })),
      'False/PackagesFailed',
      /no nginx\nE: last line[^]*monoroot\.dev\/retry/,
    ],
    [
      'fails with a reason of ours when the builder gives a bad one',
      ran('build', 'Failed', answers({ reason: 'not camel', message: 'm' })),
      'False/BuildFailed',
      /^m/,
    ],
    [
      'fails with the end of the log when the builder died without a word',
      ran('build', 'Failed', exited(137, 'Killed\nwhile unpacking')),
      'False/BuildFailed',
      /exit code 137[^]*Killed\nwhile unpacking/,
    ],
    [
      'says that it had too little memory',
      ran('build', 'Failed', {
        containerStatuses: [
          {
            ...{ name: 'build', ready: false, restartCount: 0 },
            state: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
          },
        ],
      }),
      'False/BuildFailed',
      /OOMKilled, exit code 137/,
    ],
    [
      'fails when it says it is well without a digest',
      ran('build', 'Complete', exited(0, 'bye')),
      'False/BuildFailed',
      /exit code 0[^]*bye/,
    ],
    [
      'was ended by the kubelet, whatever the builder could still say',
      ran('build', 'Failed', exited(1, '{"reason":"Stopped","message":"m"}', { reason: 'DeadlineExceeded' })),
      'False/TimedOut',
      /after 3600 s/,
    ],
    [
      'shows the end of the log when it was ended without a word',
      ran('build', 'Failed', exited(137, 'still unpacking', { reason: 'DeadlineExceeded' })),
      'False/TimedOut',
      /after 3600 s[^]*still unpacking/,
    ],
    [
      'whose Pod never ran was ended by the Job',
      { jobs: [job('build', 'Failed', 'DeadlineExceeded')] },
      'False/TimedOut',
      /after 4200 s/,
    ],
    ['whose Pod is gone for long', { jobs: [job('build', 'Complete')] }, 'False/BuildFailed', /without an answer/],
  ])('that %s', (_name, o, expected, text) => {
    const it = plan(built({ build: { job: 'build-os.v1', startTime: earlier } }), o);
    expect(condition(it, 'Built')).toBe(expected);
    expect(message(it, 'Built')).toMatch(text);
    expect(condition(it, 'Stalled')).toBe(expected.startsWith('False') ? `True/${expected.slice(6)}` : 'False/Settled');
  });

  test('is awaited for a moment when the Job is seen to have ended before its Pod is', () => {
    const late = job('build', 'Complete');
    late.status?.conditions?.forEach((c) => (c.lastTransitionTime = '2026-02-03T04:05:00Z'));
    const it = plan(built(), { jobs: [late], pods: [pod('build', 'p', { phase: 'Running' }, late)] });
    expect([condition(it, 'Built'), it.requeueAfterSeconds]).toEqual(['Unknown/Building', 24]);
  });

  test('is judged by the Pod that took the place of one that was evicted', () => {
    const it = job('build', 'Complete');
    const first = pod('build', 'a', exited(137, 'evicted'), it);
    const second = pod('build', 'b', answers({ digest, bundleBytes: 1, packages: 1 }), it);
    second.metadata.creationTimestamp = '2026-02-03T04:01:00Z';
    for (const pods of [
      [first, second],
      [second, first],
    ])
      expect(condition(plan(built(), { jobs: [it], pods }), 'Built')).toBe('True/Pushed');
  });

  test('gives the image its digest, and keeps it', () => {
    const it = plan(built(), ran('build', 'Complete', answers(success)));
    expect(it.status).toMatchObject({ digest, build: { ...success, completionTime: earlier } });
    expect(plan(built(it.status)).status).toMatchObject({ digest, build: success });
    expect(plan(built()).status.digest).toBeUndefined();
  });

  test('that the API server refuses says so, and is done with nothing written down', () => {
    const it = plan(built(), { refusal: 'jobs "build-os.v1" is forbidden: exceeded quota' });
    expect([condition(it, 'Built'), condition(it, 'Stalled')]).toEqual(['False/JobRefused', 'True/JobRefused']);
    expect(message(it, 'Built')).toContain('exceeded quota');
    expect([it.status.build, did(it)]).toEqual([undefined, []]);
  });
});

describe('a publication', () => {
  test('follows the build at once when nothing is to be tested', () => {
    const it = plan(built(), ran('build', 'Complete', answers({ digest, bundleBytes: 1, packages: 1 })));
    expect(did(it)).toEqual(['create ConfigMap', 'create Job publish-os.v1']);
    expect([condition(it, 'Published'), condition(it, 'Ready')]).toEqual(['Unknown/Publishing', 'False/Publishing']);
  });

  test('waits for the test', () => {
    const it = plan(tested({ build: done.build }));
    expect([condition(it, 'Published'), it.status.publication]).toEqual(['False/WaitingForVerification', undefined]);
  });

  test('is of the digest that was tested', () => {
    const { actions } = plan(tested({ build: done.build, verification: done.passed }));
    const args = actions.flatMap((a) => (a.type === 'CreateJob' ? (a.job.spec.template.spec.containers[0]?.args ?? []) : [])); // prettier-ignore
    expect(args).toEqual(['publish', digest]);
  });

  test.each<[string, Partial<Observed>, string, RegExp]>([
    ['runs', ran('publish', undefined, { phase: 'Running' }), 'Unknown/Publishing', /logs -f job\/publish-os\.v1/],
    [
      'is done',
      ran('publish', 'Complete', answers({ reference, signed: true })),
      'True/Published',
      /production\/os:v1, signed/,
    ],
    [
      'fails as the builder says',
      ran('publish', 'Failed', answers({ reason: 'SignFailed', message: 'no key' })),
      'False/SignFailed',
      /no key[^]*monoroot\.dev\/retry/,
    ],
    ['dies', ran('publish', 'Failed', exited(1, 'boom')), 'False/PublishFailed', /exit code 1[^]*boom/],
  ])('that %s', (_name, o, expected, text) => {
    const jobs = [job('build', 'Complete'), ...(o.jobs ?? [])];
    const it = plan(built({ build: done.build }), { ...o, jobs });
    expect(condition(it, 'Published')).toBe(expected);
    expect(message(it, 'Published')).toMatch(text);
    expect(did(it)).toEqual([]);
  });

  test('is what lets it be Ready', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout })])];
    const o = { stores, distributions: [distribution('os:v1')] };
    expect(condition(plan(built({ build: done.build }), o), 'Ready')).toBe('False/Publishing');
    expect(condition(plan(built({ build: done.build, publication: done.publication }), o), 'Ready')).toBe(
      'True/Stored',
    );
  });

  test('of what others push is theirs', () => {
    expect(condition(plan(external()), 'Published')).toBe('True/ExternalSource');
  });
});

describe('a test', () => {
  const has = (name = 'n1', state: 'Ready' | 'Fetching' | 'Failed' = 'Ready') =>
    nodeStore(name, ['os:v1'], [stored('os:v1', state, { layout, reason: 'NoSpace', message: 'it is full' })]);
  const name = stepName('verify', external().spec, 'n1 ');
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

  test('of which the Pod is made, but not written down, is found by its name', () => {
    const it = plan(external({ verification: { node: 'n1' } }), { stores: [has()], pods: [pod('verify', name, {})] });
    expect([did(it), it.status.verification]).toEqual([[], chosen]);
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
      'does not end in time',
      exited(137, 'still waiting', { reason: 'DeadlineExceeded' }),
      'False/TimedOut',
      /within 300 s[^]*still waiting/,
      [],
    ],
    ['is just being ended', { phase: 'Running', reason: 'DeadlineExceeded' }, 'Unknown/Running', /on n1$/, []],
    [
      'cannot be started in time',
      { ...waits('CreateContainerError', 'no such directory'), phase: 'Failed', reason: 'DeadlineExceeded' },
      'False/TimedOut',
      /within 300 s: CreateContainerError: no such directory/,
      [],
    ],
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

  test('that no kubelet takes is made anew only after a while', () => {
    const young = pod('verify', name, { phase: 'Failed', reason: 'OutOfmemory' });
    young.metadata.creationTimestamp = '2026-02-03T04:05:02Z';
    const it = plan(external({ verification: chosen }), { stores: [has()], pods: [young] });
    expect([did(it), it.requeueAfterSeconds]).toEqual([[], 6]);
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
      const silent = has('n1', 'Fetching');
      silent.metadata.managedFields = [{ manager: 'monoroot-agent', time: '2026-02-03T03:00:00Z' }];
      const it = plan(external({ verification: { node: 'n1' } }), {
        nodes: [node('n1'), node('n2')],
        stores: [silent],
      });
      expect(it.status.verification).toEqual({ node: 'n2' });
    });
  });
});

describe('another try', () => {
  test.each<[string, OSImageStatus, string[], OSImageStatus]>([
    [
      'builds what could not be built, under another name',
      { build: failed.build },
      [
        'create ConfigMap',
        expect.stringMatching(/^create Job build-os\.v1-[0-9a-f]{8}$/),
        'delete Job build-os.v1',
      ] as string[],
      { retryToken: '1' },
    ],
    [
      'tests what did not pass, and builds nothing again',
      { build: done.build, verification: failed.verification },
      [`delete Pod ${failed.verification.pod}`],
      { retryToken: '1', build: done.build, verification: { node: 'n1' } },
    ],
    [
      'publishes what could not be published, and does nothing else again',
      { build: done.build, verification: done.passed, publication: failed.publication },
      ['create ConfigMap', expect.stringMatching(/^create Job publish-os\.v1-[0-9a-f]{8}$/)] as string[],
      { retryToken: '1', build: done.build, verification: done.passed },
    ],
    [
      'changes nothing that is well',
      { build: done.build, verification: done.passed, publication: done.publication },
      [],
      { retryToken: '1', build: done.build, verification: done.passed, publication: done.publication },
    ],
  ])('%s', (_name, status, actions, expected) => {
    const jobs = status.build?.reason === undefined ? [job('build', 'Complete')] : [job('build', 'Failed')];
    const pods = status.verification?.outcome === 'Failed' ? [pod('verify', failed.verification.pod, exited(3))] : [];
    const it = plan(withRetry(tested(status), '1'), { jobs, pods });
    expect(did(it)).toEqual(actions);
    expect(it.status).toMatchObject(expected);
    // Written down, it is not tried once more.
    expect(plan(withRetry(tested(it.status), '1'), { jobs: [] }).status.retryToken).toBe('1');
  });

  test('is asked for once: the same value is no further try', () => {
    const it = plan(withRetry(built({ build: failed.build, retryToken: '1' }), '1'), {
      jobs: [job('build', 'Failed')],
    });
    expect([did(it), condition(it, 'Built')]).toEqual([[], 'False/PackagesFailed']);
  });

  test('may be asked for while something runs, which it leaves alone', () => {
    const running = { build: { job: 'build-os.v1', startTime: earlier } };
    const it = plan(withRetry(built(running), '2'), { jobs: [job('build')] });
    expect([did(it), it.status.build, it.status.retryToken]).toEqual([[], running.build, '2']);
  });

  test('of a test has a Pod of another name', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout })])];
    const names = ['', '1'].map((token) => {
      const image = external({ verification: { node: 'n1' }, ...(token && { retryToken: token }) });
      return plan(token ? withRetry(image, token) : image, { stores }).status.verification?.pod;
    });
    expect(new Set(names).size).toBe(2);
  });

  test('with a value that is too long is as good', () => {
    expect(plan(withRetry(built(), 'x'.repeat(1000))).status.retryToken).toHaveLength(253);
  });
});

test('nothing reaches the nodes of a distribution before all of that is done', () => {
  const distributions = [distribution('os:v1')];
  const desired = (image: OSImage) => plan(image, { distributions }).status.nodes?.desired;
  expect(desired(tested())).toBe(0);
  expect(desired(tested({ build: done.build }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: failed.verification }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed, publication: failed.publication }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed, publication: done.publication }))).toBe(1);
  expect(desired(external())).toBe(0);
  expect(desired(external({ verification: done.passed }))).toBe(1);
});

test('an image that is being removed begins nothing', () => {
  const image = built();
  image.metadata.deletionTimestamp = earlier;
  expect(did(plan(image))).toEqual([]);
});

test('a plan that was carried out is the same again', () => {
  const first = plan(tested({ build: done.build, verification: done.passed }));
  const jobs = first.actions.flatMap((action) => (action.type === 'CreateJob' ? action.job : []));
  const second = plan(tested(first.status), { jobs: [job('build', 'Complete'), ...jobs] });
  expect([did(second), second.status]).toEqual([[], first.status]);
  expect(jobs[0]?.metadata.labels?.[labels.image]).toBe('os.v1');
});

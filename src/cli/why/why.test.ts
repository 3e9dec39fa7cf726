import { expect, test } from 'vitest';
import { container, distribution, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { examplesOf, wordsOf } from '../../../test/fixtures/messages.ts';
import { launchReasons } from '../../controllers/hostedcontainer/outcome.ts';
import { reasons as containerReasons } from '../../controllers/hostedcontainer/reasons.ts';
import { reasons as distributionReasons } from '../../controllers/imagedistribution/reasons.ts';
import { reasons as imageReasons } from '../../controllers/osimage/reasons.ts';
import type { Condition } from '../../runtime/conditions.ts';
import type { MonorootObject, Scene } from '../scene/scene.ts';
import { silentScreen } from '../terminal.ts';
import { explain } from './explain.ts';
import { renderExplanation } from './render.ts';

/** Each reason that the operator, an agent or a build can give has a scene in which `why` ends at its cause. */

const now = new Date('2026-01-01T12:00:00Z');
const empty: Scene = { osImages: [], distributions: [], nodeStores: [], containers: [], unseen: [] };
const condition = (type: string, status: Condition['status'], reason: string): Condition => ({
  type,
  status,
  reason,
  message: messageOf(reason),
  lastTransitionTime: '2026-01-01T11:00:00Z',
});
const messageOf = (reason: string) => `what ${reason} says`;

/** Where a reason stands, as docs/api has it, and with it Stalled or Reconciling as the operator writes them. */
function conditionsOf(type: string, status: Condition['status'], reason: string, end: string): Condition[] {
  const own = condition(type, status, reason);
  if (end === 'Person') return [own, condition('Stalled', 'True', reason)];
  return end === 'Waiting' || end === 'Depends' ? [own, condition('Reconciling', 'True', reason)] : [own];
}

type Where = readonly [type: string, status: Condition['status']];
/** Each reason of a HostedContainer in the condition that has it. */
const containerScenes: Record<keyof typeof containerReasons, Where> = {
  Exact: ['ImageResolved', 'True'],
  DefaultVersion: ['ImageResolved', 'True'],
  FallbackToDefault: ['ImageResolved', 'True'],
  UnknownImage: ['ImageResolved', 'False'],
  ImageNotReady: ['ImageResolved', 'False'],
  ImageCondemned: ['ImageResolved', 'False'],
  NoDefaultVersion: ['ImageResolved', 'False'],
  UpToDate: ['Upgraded', 'True'],
  Reverted: ['Upgraded', 'False'],
  InProgress: ['Upgraded', 'Unknown'],
  ImageNotResolved: ['Upgraded', 'Unknown'],
  Interrupted: ['Upgraded', 'Unknown'],
  WaitingForNode: ['Upgraded', 'Unknown'],
  WaitingForDistribution: ['Upgraded', 'Unknown'],
  SoftwareNotReady: ['Upgraded', 'Unknown'],
  DataUnavailable: ['Upgraded', 'Unknown'],
  InvalidSpec: ['Upgraded', 'Unknown'],
  PodForbidden: ['Upgraded', 'Unknown'],
  PodConflict: ['Upgraded', 'Unknown'],
  FailedBefore: ['Upgraded', 'False'],
  Held: ['Upgraded', 'False'],
  Failed: ['Upgraded', 'False'],
  Suspended: ['Ready', 'True'],
  Running: ['Ready', 'True'],
  Starting: ['Ready', 'False'],
  PodPending: ['Ready', 'False'],
  Restarting: ['Ready', 'False'],
  NodeUnreachable: ['Ready', 'False'],
  NodeLost: ['Ready', 'False'],
  CrashLooping: ['Ready', 'False'],
  MountScriptFailed: ['Ready', 'False'],
  NoMounts: ['Ready', 'False'],
  DefaultsTooLarge: ['Ready', 'False'],
  DefaultsFailed: ['Ready', 'False'],
  UnknownUser: ['Ready', 'False'],
  CommandNotFound: ['Ready', 'False'],
  NoSupervisor: ['Ready', 'False'],
  NoServiceDirectory: ['Ready', 'False'],
  InvalidTimeZone: ['Ready', 'False'],
  LaunchFailed: ['Ready', 'False'],
  CreateContainerConfigError: ['Ready', 'False'],
  CreateContainerError: ['Ready', 'False'],
  RunContainerError: ['Ready', 'False'],
  InvalidImageName: ['Ready', 'False'],
  NotPermitted: ['Permitted', 'False'],
  WriteFailed: ['Reconciling', 'True'],
  NotStalled: ['Stalled', 'False'],
  Settled: ['Reconciling', 'False'],
};
const distributionScenes: Record<keyof typeof distributionReasons, Where> = {
  AllNodes: ['Distributed', 'True'],
  InProgress: ['Distributed', 'False'],
  NodesUnreachable: ['Distributed', 'False'],
  NodesFailed: ['Distributed', 'False'],
  EmptySelector: ['Distributed', 'False'],
  NoNodes: ['Distributed', 'False'],
  UnknownImage: ['Distributed', 'False'],
  ImageNotBuilt: ['Distributed', 'False'],
  ImageNotVerified: ['Distributed', 'False'],
  ImageNotPublished: ['Distributed', 'False'],
  NewContainers: ['Activated', 'True'],
  NotRequested: ['Activated', 'False'],
  WaitingForNodes: ['Activated', 'False'],
  WaitingForOther: ['Activated', 'False'],
  RolledOut: ['RolledOut', 'True'],
  RollingOut: ['RolledOut', 'False'],
  OutsideWindow: ['RolledOut', 'False'],
  InvalidWindow: ['RolledOut', 'False'],
  Paused: ['RolledOut', 'False'],
  ContainersStuck: ['RolledOut', 'False'],
  RolloutHalted: ['RolledOut', 'False'],
  ImageCondemned: ['RolledOut', 'False'],
  ImageNotReady: ['RolledOut', 'False'],
  NotActivated: ['RolledOut', 'False'],
  NotDistributed: ['RolledOut', 'False'],
  Superseded: ['RolledOut', 'False'],
  OtherHalted: ['RolledOut', 'False'],
  TooManyFailures: ['RolloutHalted', 'True'],
  GateFailed: ['RolloutHalted', 'True'],
  NotHalted: ['RolloutHalted', 'False'],
  Settled: ['Reconciling', 'False'],
};
const imageScenes: Record<keyof typeof imageReasons, Where> = {
  Valid: ['Accepted', 'True'],
  SecretInDefaults: ['Accepted', 'False'],
  Pushed: ['Built', 'True'],
  Building: ['Built', 'Unknown'],
  BuildFailed: ['Built', 'False'],
  JobRefused: ['Built', 'False'],
  Passed: ['Verified', 'True'],
  WaitingForBuild: ['Verified', 'Unknown'],
  WaitingForNode: ['Verified', 'Unknown'],
  Fetching: ['Verified', 'Unknown'],
  Running: ['Verified', 'Unknown'],
  Failed: ['Verified', 'False'],
  TimedOut: ['Verified', 'False'],
  PodRefused: ['Verified', 'False'],
  ExternalSource: ['Published', 'True'],
  Published: ['Published', 'True'],
  WaitingForVerification: ['Published', 'False'],
  Publishing: ['Published', 'Unknown'],
  PublishFailed: ['Published', 'False'],
  Agreed: ['Consistent', 'True'],
  NodesDiffer: ['Consistent', 'False'],
  Condemned: ['Condemned', 'True'],
  NotCondemned: ['Condemned', 'False'],
  Stored: ['Ready', 'True'],
  NotDistributed: ['Ready', 'False'],
  NoNodes: ['Ready', 'False'],
  Distributing: ['Ready', 'False'],
  AllMounted: ['LayoutComplete', 'True'],
  OverlayTooSmall: ['LayoutComplete', 'False'],
  PartsMissing: ['LayoutComplete', 'False'],
  Settled: ['Reconciling', 'False'],
};

const withConditions = <T extends MonorootObject>(object: T, conditions: Condition[]): T => ({
  ...object,
  status: { ...object.status, observedGeneration: 1, conditions },
});

/** What says nothing by itself: that it is not stalled, or that nothing is being changed, is in no need of a cause. */
const silent = ['Settled', 'NotStalled', 'NotHalted', 'NotCondemned', 'Valid', 'Agreed', 'AllMounted'];
/** Said for short where another condition says more. */
const elsewhere = ['ImageNotResolved'];

const own = [
  ...Object.entries(containerScenes).map(([reason, at]) => ({ reason, at, end: containerReasons[reason as keyof typeof containerReasons], make: () => container({ image: 'os:2' }, {}) })), // prettier-ignore
  ...Object.entries(distributionScenes).map(([reason, at]) => ({ reason, at, end: distributionReasons[reason as keyof typeof distributionReasons], make: () => distribution('os:2', {}, { observedGeneration: 1 }) })), // prettier-ignore
  ...Object.entries(imageScenes).map(([reason, at]) => ({ reason, at, end: imageReasons[reason as keyof typeof imageReasons], make: () => osImage('os:2') })), // prettier-ignore
].map((it) => ({ ...it, kind: it.make().kind }));

test.each(own.filter(({ reason }) => !silent.includes(reason) && !elsewhere.includes(reason)))(
  '$kind: why ends at $reason when that is all that is known',
  ({ reason, at: [type, status], end, make }) => {
    const object = withConditions(make(), conditionsOf(type, status, reason, end));
    const explanation = explain(object, empty, now);
    expect(explanation.cause).toMatchObject({ reason, message: messageOf(reason) });
    expect(explanation.standing).toBe(
      end === 'Person' || ['Condemned', 'NotPermitted'].includes(reason)
        ? 'Person'
        : end === 'Waiting' || end === 'Depends' || type === 'Reconciling'
          ? 'Waiting'
          : 'Well',
    );
    const text = renderExplanation(explanation, silentScreen);
    expect(text.find((line) => /^(Cause|State)/.test(line))).toContain(messageOf(reason));
    expect(explanation.command).toMatch(/^kubectl (monoroot )?(-n \S+ )?[a-z]/);
    expect(explanation.command).not.toMatch(/undefined| {2}| $/);
  },
);

/** Examples of messages: the reasons of agents, of builds, and of launch. */
const agentReasons = wordsOf('FailureReason');
const buildReasons = wordsOf('BuildFailureReason');
const examples = [...examplesOf('docs/messages.md'), ...examplesOf('docs/api/hostedcontainer.md')];
const exampleOf = (reason: string) => examples.find((it) => it.reason === reason)?.message ?? '';

test.each(agentReasons)('from a container over image and distribution to the node that says %s', (reason) => {
  const message = exampleOf(reason);
  expect(message).not.toBe('');
  const image = osImage('os:2', { ready: false });
  const said = { ...condition('Ready', 'False', reason), message };
  const failed = stored('os:2', 'Failed', { reason, message, retryTime: '2026-01-01T12:10:00Z' });
  const web = withConditions(container({ image: 'os:2' }, { image: 'os:1', nodeName: 'n1' }), [
    condition('ImageResolved', 'False', 'ImageNotReady'),
    condition('Upgraded', 'Unknown', 'ImageNotResolved'),
    condition('Stalled', 'True', 'ImageNotReady'),
    condition('Ready', 'True', 'Running'),
  ]);
  const scene: Scene = {
    ...empty,
    osImages: [withConditions(image, [said, { ...said, type: 'Stalled', status: 'True' }])],
    distributions: [withConditions(distribution('os:2'), [condition('Distributed', 'False', 'NodesFailed')])],
    nodeStores: [nodeStore('n1', ['os:2'], [stored('os:1', 'Ready')]), nodeStore('n2', ['os:2'], [failed])],
    containers: [web],
  };
  const explanation = explain(web, scene, now);
  expect(explanation.chain.map(({ object }) => object)).toEqual(['hostedcontainer/web', 'osimage/os.2', 'os:2 on n2']);
  expect(explanation).toMatchObject({
    cause: { reason, message },
    runs: 'os:1 on n1, Ready',
    next: 'It is tried again at 12:10:00Z (in 10 min 00 s); it fails again until the cause is removed',
  });
});

test.each(buildReasons)('from a container to the build that ended with %s', (reason) => {
  const message = exampleOf(reason);
  expect(message).not.toBe('');
  const said = { ...condition('Built', 'False', reason), message };
  const image = withConditions(osImage('os:2', { ready: false }), [said, { ...said, type: 'Stalled', status: 'True' }]);
  const web = withConditions(container({ image: 'os:2' }, {}), [
    condition('ImageResolved', 'False', 'ImageNotReady'),
    condition('Stalled', 'True', 'ImageNotReady'),
  ]);
  const { cause, command } = explain(web, { ...empty, osImages: [image] }, now);
  expect([cause.object, cause.reason, cause.message]).toEqual(['osimage/os.2', reason, message]);
  expect(command).toBe('kubectl monoroot retry osimage/os.2');
});

test.each([...launchReasons, 'CrashLooping', 'ProgressDeadlineExceeded', 'Evicted', 'PodForbidden'])(
  'a container that was reverted because of %s shows what the ledger has, and asks for a better image',
  (reason) => {
    const failed = {
      image: 'os:2',
      digest: `sha256:${'0'.repeat(64)}`,
      fingerprint: 'f',
      reason,
      message: `the end of the log for ${reason}`,
      time: '2026-01-01T11:00:00Z',
      attempts: 1,
    };
    const web = withConditions(container({ image: 'os:1' }, { image: 'os:1', failedImages: [failed] }), [
      condition('Ready', 'True', 'Running'),
      condition('Upgraded', 'False', 'Reverted'),
    ]);
    const { cause, command } = explain(web, { ...empty, containers: [web] }, now);
    expect(cause).toMatchObject({ object: 'os:2 in hostedcontainer/web', reason, message: failed.message });
    expect(command).toBe('kubectl monoroot -n shop upgrade hostedcontainer/web os:VERSION');
  },
);

test('every reason that depends on another object leads to that', () => {
  const image = withConditions(osImage('os:2', { ready: false }), [condition('Built', 'Unknown', 'Building')]);
  const going = withConditions(distribution('os:2', { activate: { newContainers: true } }), [
    condition('Distributed', 'False', 'InProgress'),
  ]);
  const fetching = nodeStore('n1', ['os:2'], [stored('os:2', 'Fetching', { downloadedBytes: 5, totalBytes: 10 })]);
  const scene: Scene = { ...empty, osImages: [image], distributions: [going], nodeStores: [fetching] };
  const causeOf = (object: MonorootObject, given: Scene) => explain(object, given, now).cause;
  const waits = (type: string, reason: string, spec: object = { image: 'os:2' }) =>
    withConditions(container(spec as { image: string }, {}), [condition(type, 'False', reason)]);
  expect(causeOf(waits('ImageResolved', 'ImageNotReady'), scene)).toMatchObject({ reason: 'Building' });
  expect(causeOf(waits('ImageResolved', 'NoDefaultVersion', { image: 'os' }), scene)).toMatchObject({
    object: 'os:2 on n1',
    message: '5 of 10 bytes are downloaded',
  });
  const software = { image: 'os:1', software: [{ name: 'jdk', osImage: 'os:2' }] };
  expect(causeOf(waits('Upgraded', 'SoftwareNotReady', software), scene)).toMatchObject({ reason: 'Building' });
  const ready = { ...scene, osImages: [osImage('os:2')] };
  expect(causeOf(waits('Upgraded', 'WaitingForNode'), ready)).toMatchObject({ object: 'os:2 on n1' });
});

test('what the user may not see is named', () => {
  const web = withConditions(container({ image: 'os:2' }, {}), [condition('ImageResolved', 'False', 'ImageNotReady')]);
  const explanation = explain(web, { ...empty, containers: [web], unseen: ['nodestores', 'osimages'] }, now);
  expect(renderExplanation(explanation, silentScreen).at(-1)).toBe(
    'You may not list nodestores, osimages: the cause may be there.',
  );
});

test('a reason that its message names again stands there once', () => {
  const conditions = [
    {
      ...condition('RolloutHalted', 'True', 'TooManyFailures'),
      message: 'Halted at 2026-01-01T11:00:00Z: TooManyFailures: 2 of 8 containers failed',
    },
    condition('Stalled', 'True', 'RolloutHalted'),
  ];
  const halted = distribution('os:2', {}, { observedGeneration: 1, conditions });
  const text = renderExplanation(explain(halted, { ...empty, distributions: [halted] }, now), silentScreen).join('\n');
  expect(text).toContain('TooManyFailures (imagedistribution/os-2): Halted at 2026-01-01T11:00:00Z: 2 of 8 containers');
});

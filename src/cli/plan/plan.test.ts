import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runForTest } from '../../../test/fixtures/cli.ts';
import {
  builtImage,
  container,
  distribution,
  node,
  osImage,
  stored,
  nodeStore,
} from '../../../test/fixtures/builders.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ExistingContainers } from '../../api/rollout.ts';
import { commands } from '../commands.ts';
import { foresee } from './foresee.ts';
import type { Subject } from './subject.ts';
import { span } from '../terminal.ts';
import { warningsOf } from './warnings.ts';

const now = new Date('2026-01-01T12:00:00Z');
const never = { upgrade: undefined, fetchSeconds: undefined };

function follower(name: string, changes: Partial<HostedContainer['status']> = {}, spec: object = {}): HostedContainer {
  const made = container({ image: 'os', ...spec });
  const conditions = [{ type: 'Ready', status: 'True' as const, reason: 'Running', message: '', lastTransitionTime: '2025-01-01T00:00:00Z' }]; // prettier-ignore
  return { ...made, metadata: { ...made.metadata, name }, status: { image: 'os:v1', lastKnownGoodImage: 'os:v1', assignedImage: 'os:v1', conditions, ...changes } }; // prettier-ignore
}
const followers = (count: number) =>
  Array.from({ length: count }, (_, i) => follower(`f-${String(i).padStart(2, '0')}`));

function subjectOf(
  how: Partial<ExistingContainers>,
  changes: Partial<Subject> = {},
  containers = followers(8),
): Subject {
  const existingContainers = { maxUnavailable: 2, canary: { count: 1, soakSeconds: 0 }, waveSoakSeconds: 0, maxFailures: 1, paused: false, onHalt: 'Stay', retryToken: '', ...how }; // prettier-ignore
  const spec = { activate: { newContainers: true, existingContainers } } as never;
  const made = distribution('os:v2', spec, {
    image: 'os:v2',
    activeImage: 'os:v2',
    activationTime: '2025-12-01T00:00:00Z',
  });
  const images = [osImage('os:v1'), osImage('os:v2')];
  const store = nodeStore('n1', ['os:v2'], [stored('os:v2', 'Ready', {})]);
  return {
    distribution: made,
    image: images[1],
    scene: { osImages: images, distributions: [made], nodeStores: [store], containers, unseen: [] },
    nodes: [node('n1', ['os:v2'])],
    madeUp: false,
    ...changes,
  };
}
const warn = (subject: Subject) => warningsOf(foresee(subject, never, 0, 0, now)).join('\n');

describe('a plan warns', () => {
  test('of nothing where all is as people expect', () => {
    expect(warn(subjectOf({}))).toBe('');
  });

  const window = { schedule: '0 2 * * *', durationSeconds: 600, timeZone: 'UTC' };
  const { scene } = subjectOf({});
  const silentStore = nodeStore('n1', [], [stored('os:v1', 'Ready', { unpackedBytes: 10 * 2 ** 20 })]);
  const fullStore = { ...silentStore, status: { ...silentStore.status, store: { usedBytes: 1, freeBytes: 2 ** 20 } } };
  test.each<[string, Subject, RegExp]>([
    ['of windows that cost days', subjectOf({ windows: [window], canary: { count: 1, soakSeconds: 600 } }), /waits 2 times, for 37 h.*\n.*soak of the canaries \(10 min\) does not end in the window of 10 min/], // prettier-ignore
    ['of waves that soak longer than a window', subjectOf({ windows: [window], waveSoakSeconds: 900 }), /there is one wave in each window/], // prettier-ignore
    [
      'of a window that never opens',
      subjectOf({ windows: [{ ...window, schedule: '0 0 30 2 *' }] }),
      /InvalidWindow.*never comes/,
    ],
    ['of a percentage that is less than one', subjectOf({ maxUnavailable: '10%' }), /10% of 8 containers is less than one: they go one by one/], // prettier-ignore
    [
      'of canaries that are none',
      subjectOf({ canary: { count: 0, soakSeconds: 0 } }),
      /no canaries: up to 2 containers/,
    ],
    ['of a budget that is used up', subjectOf({}, {}, [...followers(4), follower('down', { conditions: [] })]), /1 of the 2 that may be unavailable are down already: shop\/down/], // prettier-ignore
    ['of those that never ran well', subjectOf({}, {}, [...followers(4), follower('new', { lastKnownGoodImage: undefined, image: undefined })]), /1 have never run any version well.*shop\/new/], // prettier-ignore
    ['of containers without a node', subjectOf({}, {}, [...followers(4), follower('far', {}, { podTemplate: { nodeSelector: { pool: 'gone' } } })]), /1 have no node .*shop\/far/], // prettier-ignore
    ['of nodes without room', subjectOf({}, { scene: { ...scene, nodeStores: [fullStore] } }), /1 nodes have less room than the 10 MiB of os:v2: n1 \(1.0 MiB free\)/], // prettier-ignore
    ['of versions that are deleted', retaining(0), /retainVersions is 0: nodes delete os:v0/],
    ['of gates that it cannot know', subjectOf({ gates: [{ name: 'slo', webhook: { url: 'http://x' }, intervalSeconds: 1, timeoutSeconds: 1, failureLimit: 0 }], canary: { count: 1, soakSeconds: 9 } }), /takes it that slo holds/], // prettier-ignore
    ['of a rollout that is paused', subjectOf({ paused: true }), /paused; the plan is for resuming it now/],
    ['that no container follows', subjectOf({}, {}, [follower('fixed', {}, { image: 'os:v1' })]), /none follows os and is selected; 1 name a version/], // prettier-ignore
    ['of an image that is not there', subjectOf({}, { image: undefined }), /no OSImage for os:v2 yet/],
    ['of what the user may not see', subjectOf({}, { scene: { ...scene, unseen: ['nodes'] } }), /may not list nodes/],
  ])('%s', (_what, subject, text) => {
    expect(warn(subject)).toMatch(text);
  });
});

function retaining(retainVersions: number): Subject {
  const subject = subjectOf({});
  const { spec, status } = subject.distribution;
  return { ...subject, distribution: { ...subject.distribution, spec: { ...spec, retainVersions }, status: { ...status, previousImages: ['os:v0'] } } }; // prettier-ignore
}

test('nodes without the image get it first, as many at once as may, and the durations come from the fleet', () => {
  const history = [1, 2, 3].map((hour) => ({ image: 'os:v1', startTime: `2025-12-0${hour}T00:00:00Z`, readyTime: `2025-12-0${hour}T00:00:20Z`, outcome: 'Succeeded' as const })); // prettier-ignore
  const subject = subjectOf(
    {},
    {},
    followers(2).map((it) => ({ ...it, status: { ...it.status, history } })),
  );
  const nodes = ['n1', 'n2', 'n3', 'n4'].map((name) => node(name));
  const slow = { ...subject.distribution, spec: { ...subject.distribution.spec, parallelism: 2 } };
  const found = foresee({ ...subject, distribution: slow, nodes, scene: { ...subject.scene, nodeStores: [] } }, { ...never, fetchSeconds: 100 }, 0, 0, now); // prettier-ignore
  expect(found).toMatchObject({ lacking: 4, distributionSeconds: 200 });
  expect(found.forecast.durations).toEqual({ least: 19, typical: 20, most: 21, measured: 4 });
  expect(found.forecast.typical.startTime).toEqual(new Date('2026-01-01T12:03:20Z'));
});

test.each([
  ['that is not there', undefined],
  ['that is not built', builtImage('os:v2')],
  ['that is not Ready', osImage('os:v2', { ready: false })],
])('an image %s is taken as Ready, on the nodes that get it', (_what, image) => {
  const found = foresee(subjectOf({}, { image }), never, 0, 0, now);
  expect(found.lacking).toBe(image?.spec.source.http ? 0 : 1);
  expect(found.forecast.typical.reason).toBe('RolledOut');
});

describe('kubectl monoroot plan -f, without a cluster', () => {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-plan-'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  const file = join(directory, 'dist.yaml');
  const manifest = (existingContainers: string) =>
    `apiVersion: monoroot.dev/v1alpha1\nkind: ImageDistribution\nmetadata: {name: debian-12}\nspec:\n  image: debian-12:v2\n  activate:\n    newContainers: true\n    existingContainers: ${existingContainers}\n`; // prettier-ignore
  const run = (text: string, ...more: string[]) => {
    writeFileSync(file, text);
    return runForTest(['plan', '-f', file, ...more], commands);
  };

  test('tells a night of ten minutes from two days', async () => {
    const windows = '[{schedule: "0 2 * * *", durationSeconds: 600, timeZone: Australia/Sydney}]';
    const text = manifest(`{maxUnavailable: 10%, canary: {count: 2, soakSeconds: 600}, windows: ${windows}}`);
    const { code, stdout } = await run(text, '--containers', '40', '--upgrade-time', '60s');
    expect(stdout).toContain(
      'imagedistribution/debian-12 (debian-12:v2): 40 containers, at most 4 unavailable at once',
    );
    expect(stdout).toMatch(/2026-01-01T15:00:00Z {2}3 h +2 canaries: made-up\/c-01 and made-up\/c-02/);
    expect(stdout).toMatch(/no window is open; the next one opens in 23 h \d\d min/);
    expect(stdout).toMatch(/Done at 2026-01-0[34]T15:\d\d:\d\dZ, after /);
    expect(stdout).toContain(
      'The soak of the canaries (10 min) does not end in the window of 10 min in which it begins',
    );
    expect(code).toBe(0);
  });

  test('lets some fail, and says 1 when it halts', async () => {
    const { code, stdout } = await run(manifest('{canary: {count: 2}}'), '--containers', '2000', '--nodes', '200', '--fail', '2'); // prettier-ignore
    expect(stdout).toContain('200 nodes have got debian-12:v2');
    expect(stdout).toMatch(/It ends with RolloutHalted after .*, 2 containers touched\./);
    expect(code).toBe(1);
  });

  test('as JSON', async () => {
    const { stdout } = await run(manifest('{}'), '--containers', '3', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ distribution: 'debian-12', reason: 'RolledOut', containers: 3, maxUnavailable: 1, batches: [{ wave: 0 }, { wave: 1 }, { wave: 1 }] }); // prettier-ignore
  });

  test.each([
    [['plan'], /Give the name of an ImageDistribution, or -f FILE/],
    [['plan', 'x', '--nodes', '3'], /--nodes is for --containers/],
    [['plan', 'x', '--fail', 'many'], /--fail takes a number, and got many/],
    [['plan', 'x', '--upgrade-time', 'soon'], /--upgrade-time takes a time such as 90s/],
    [['plan', '-f', '/does/not/exist'], /cannot be read/],
  ])('%j is refused', async (argv, message) => {
    const { code, stderr } = await runForTest(argv, commands);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  test('an error of a file names the line', async () => {
    expect((await run(manifest('{maxFailures: -1}'), '--containers', '1')).stderr).toMatch(
      /begins in line 1 is not valid: spec.activate.existingContainers.maxFailures.*kubectl monoroot lint/,
    );
    expect((await run('kind: Pod\napiVersion: v1\n', '--containers', '1')).stderr).toMatch(/has no ImageDistribution/);
  });
});

test.each([
  [5, '5 s'],
  [119, '119 s'],
  [600, '10 min'],
  [3600, '1 h'],
  [3900, '1 h 05 min'],
  [47.9 * 3600, '47 h 54 min'],
  [52 * 3600, '2 d 04 h'],
])('%d seconds are %s', (seconds, text) => {
  expect(span(seconds)).toBe(text);
});

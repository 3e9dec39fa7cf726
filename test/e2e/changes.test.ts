import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodes } from '../../src/kube/resources.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import {
  applyContainer,
  inside,
  messageOf,
  page,
  patchContainer,
  pods,
  remove,
  reverted,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { fieldManager, has, kubectl, namespace } from './lib/system.ts';
import { makeClaim, removeVolumes } from './lib/volumes.ts';
import { record, uidsOf } from './lib/watch.ts';

/** What a change of a container's specification does, and what it does not. */

const [good, better, broken] = ['tiny:change1', 'tiny:change2', 'tiny:change-broken'] as const;
const containers = ['shape', 'paused', 'small', 'refused', 'held', 'first', 'alive', 'hungry'];
const podOf = (name: string) => kubectl.get(pods, { name, namespace });
const uidOf = async (name: string) => (await podOf(name))?.metadata.uid;
const noUpgrades = 'hc-e2e-no-upgrades';

beforeAll(async () => {
  await serveFiles();
  await provide(good, better, broken);
});
afterAll(async () => {
  await kubectl.run([
    'delete',
    'validatingadmissionpolicy,validatingadmissionpolicybinding',
    '--ignore-not-found',
    noUpgrades,
  ]);
  await remove({ containers, images: [good, better, broken] });
  await removeVolumes('paused-data');
});

test.concurrent(
  'a change of what shapes the container restarts it, once; other changes do not',
  { timeout: 120_000 },
  async (context) => {
    await applyContainer('shape', { image: good });
    await upToDate('shape', good);
    const seen = record(context, pods, { name: 'shape', namespace });
    const shaping: [object, string, string][] = [
      [
        { user: 'www', timeZone: 'UTC', env: [{ name: 'GREETING', value: 'good day' }] },
        'stat -c %u:%g /proc/1; echo "$GREETING $TZ"',
        '33:33\ngood day UTC',
      ],
      [
        {
          user: '7:8',
          writable: [
            { path: '/tmp', size: '7Mi' },
            { path: '/opt', size: '5Mi' },
          ],
        },
        "grep -E '^tmpfs /(opt|tmp) ' /proc/mounts | sed -E 's/.* (.tmp|.opt) .*size=([0-9]+k).*/\\1 \\2/'",
        '/opt 5120k\n/tmp 7168k',
      ],
      [{ podTemplate: { metadata: { labels: { tier: 'web' } } } }, 'stat -c %u:%g /proc/1', '7:8'],
      [{ restartToken: 'again' }, 'stat -c %u:%g /proc/1', '7:8'],
    ];
    for (const [change, script, expected] of shaping) {
      const before = uidsOf(seen).length;
      await patchContainer('shape', change);
      await untilContainer(
        'shape',
        `runs with ${JSON.stringify(change)}`,
        (c) => uidsOf(seen).length > before && has(c, 'Ready', 'True/Running') && has(c, 'Upgraded', 'True/UpToDate'),
      );
      expect(await inside('shape', script)).toBe(expected);
    }
    await patchContainer('shape', {
      upgrade: { progressDeadlineSeconds: 91, onFailure: 'Hold', retryToken: 'x' },
      imagePolicy: 'Strict',
    });
    await kubectl.run(['-n', namespace, 'label', 'hctr', 'shape', 'team=blue']);
    await untilContainer(
      'shape',
      'has seen it',
      (c) => has(c, 'Upgraded', 'True/UpToDate') && has(c, 'Ready', 'True/Running'),
    );
    expect(uidsOf(seen)).toHaveLength(1 + shaping.length);
    const container = await upToDate('shape', good);
    expect(container.status?.history).toHaveLength(1);
  },
);

test.concurrent('a suspended container has no Pod and keeps its data; deletion removes the Pod', async () => {
  const [node] = await kubectl.list(nodes);
  await makeClaim('paused-data', node?.metadata.name ?? '');
  await applyContainer('paused', { image: good, data: { claimName: 'paused-data' } });
  await upToDate('paused', good);
  await inside('paused', 'echo kept >/data/word');
  await patchContainer('paused', { suspend: true });
  const container = await untilContainer(
    'paused',
    'is suspended',
    (c) => has(c, 'Ready', 'True/Suspended') && c.status?.podIP === undefined,
  );
  expect(has(container, 'Stalled', 'False/NotStalled') && has(container, 'Reconciling', 'False/Settled')).toBe(true);
  await kubectl.run(['-n', namespace, 'wait', '--for=delete', 'pod/paused', '--timeout=60s']);
  await patchContainer('paused', { suspend: false });
  await upToDate('paused', good);
  expect(await inside('paused', 'cat /data/word')).toBe('kept');
  await remove({ containers: ['paused'] });
  await kubectl.run(['-n', namespace, 'wait', '--for=delete', 'pod/paused', '--timeout=60s']);
});

test.concurrent(
  'a memory limit below the overlays is an invalid specification, and what runs is left alone',
  async () => {
    await applyContainer('small', { image: good });
    await upToDate('small', good);
    const before = await uidOf('small');
    await patchContainer('small', { resources: { limits: { memory: '20Mi' } } });
    const container = await untilContainer('small', 'is stalled', (c) => has(c, 'Stalled', 'True/InvalidSpec'));
    expectValidStatus(container);
    expect(messageOf(container, 'Stalled')).toContain('raise the limit or lower spec.writable');
    expect(has(container, 'Ready', 'True/Running')).toBe(true);
    expect(await uidOf('small')).toBe(before);
    await kubectl.run([
      '-n',
      namespace,
      'patch',
      'hctr',
      'small',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/resources"}]',
    ]);
    await upToDate('small', good);
    expect(await uidOf('small')).toBe(before);
  },
);

test.concurrent('an upgrade whose Pod is refused costs the running container nothing, and is reverted', async () => {
  await applyContainer('refused', { image: good });
  await upToDate('refused', good);
  const before = await uidOf('refused');
  await refusePodsOf('refused', better);
  await patchContainer('refused', { image: better });
  const container = await reverted('refused', good);
  expect(container.spec.image).toBe(good);
  expect(container.status?.failedImages?.[0]).toMatchObject({ image: better, reason: 'PodForbidden' });
  expect(messageOf(container, 'Upgraded')).toContain('not on a Sunday');
  expect(await uidOf('refused')).toBe(before);
  expect(await page('refused')).toContain(good);
});

/** Refuses the Pod of one container on one image, as a policy of a cluster may. */
async function refusePodsOf(name: string, image: string): Promise<void> {
  const kind = (kind: string, spec: object) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name: noUpgrades },
    spec,
  });
  const marks = `object.metadata.?annotations[?'monoroot.dev/image'].orValue('') == '${image}' && object.metadata.?labels[?'monoroot.dev/hosted-container'].orValue('') == '${name}'`;
  await kubectl.apply(
    [
      kind('ValidatingAdmissionPolicy', {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
        validations: [{ expression: `!(${marks})`, message: 'not on a Sunday' }],
      }),
      kind('ValidatingAdmissionPolicyBinding', {
        policyName: noUpgrades,
        validationActions: ['Deny'],
        matchResources: {},
      }),
    ],
    fieldManager,
  );
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'probe',
      namespace,
      annotations: { 'monoroot.dev/image': image },
      labels: { 'monoroot.dev/hosted-container': name },
    },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  };
  const refusal = () => kubectl.try(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) });
  await expect
    .poll(async () => (await refusal()).stderr, { timeout: 30_000, interval: 200 })
    .toContain('not on a Sunday');
}

test.concurrent(
  'a failed upgrade is held where spec must not be touched; a token or another command is a new attempt',
  { timeout: 180_000 },
  async () => {
    const upgrade = { onFailure: 'Hold' as const };
    await applyContainer('held', { image: good, upgrade });
    await upToDate('held', good);
    await applyContainer('held', { image: broken, upgrade });
    const held = (attempts: number) =>
      untilContainer(
        'held',
        `is held after attempt ${attempts}`,
        (c) =>
          has(c, 'Upgraded', 'False/Held') &&
          has(c, 'Ready', 'True/Running') &&
          c.status?.failedImages?.[0]?.attempts === attempts,
        120,
      );
    const first = await held(1);
    expectValidStatus(first);
    expect(first.spec.image).toBe(broken);
    expect(first.status).toMatchObject({ image: good, lastKnownGoodImage: good });
    expect(has(first, 'Stalled', 'True/Held')).toBe(true);
    expect(await page('held')).toContain(good);

    await applyContainer('held', { image: broken, upgrade: { ...upgrade, retryToken: 'fixed' } });
    const second = await held(2);
    expect(second.status?.history?.map((h) => [h.image, h.outcome])).toEqual([
      [broken, 'Reverted'],
      [broken, 'Reverted'],
      [good, 'Succeeded'],
    ]);
    expect(new Set(second.status?.failedImages?.map((f) => f.fingerprint)).size).toBe(2);

    const command = ['/bin/httpd', '-f', '-p', '8080', '-h', '/var/www'];
    await applyContainer('held', { image: broken, command, upgrade });
    const container = await upToDate('held', broken);
    expect(container.status?.lastKnownGoodImage).toBe(broken);
    expect(has(container, 'Stalled', 'False/NotStalled')).toBe(true);
    expect(await page('held')).toContain(broken);
  },
);

test.concurrent('a first version that fails has nothing to go back to, and a person is asked', async () => {
  await applyContainer('first', { image: broken });
  const container = await untilContainer('first', 'is stalled', (c) => has(c, 'Stalled', 'True/Failed'), 90);
  expectValidStatus(container);
  expect(has(container, 'Upgraded', 'False/Failed')).toBe(true);
  expect(has(container, 'Ready', 'False/CrashLooping')).toBe(true);
  expect(container.status?.lastKnownGoodImage).toBeUndefined();
  expect(messageOf(container, 'Upgraded')).toContain('unknown directive');
});

test.concurrent('after the kubelet killed it for its liveness, the overlays are as in the image', async () => {
  const livenessProbe = {
    exec: { command: ['/bin/sh', '-c', '[ ! -e /tmp/stuck ]'] },
    periodSeconds: 1,
    failureThreshold: 1,
  };
  await applyContainer('alive', { image: good, livenessProbe });
  await upToDate('alive', good);
  await kubectl.exec({ name: 'alive', namespace }, ['touch', '/etc/mine', '/tmp/stuck']);
  await untilContainer('alive', 'was restarted', (c) => c.status?.restarts === 1 && has(c, 'Ready', 'True/Running'));
  expect(await inside('alive', 'ls -d /etc/mine /tmp/stuck /etc/motd 2>/dev/null')).toBe('/etc/motd');
});

test.concurrent('after the kernel killed it for its memory, the overlays are as in the image', async () => {
  const writable = ['/etc', '/var', '/tmp', '/run'].map((path) => ({ path, size: '5Mi' }));
  const command = ['/bin/sh', '-c', 'serve & while [ ! -e /tmp/hungry ]; do sleep 0.2; done; exec tail -n 1 /dev/zero'];
  await applyContainer('hungry', { image: good, writable, command, resources: { limits: { memory: '48Mi' } } });
  await upToDate('hungry', good);
  await kubectl.exec({ name: 'hungry', namespace }, ['touch', '/etc/mine', '/tmp/hungry']);
  await untilContainer(
    'hungry',
    'was restarted',
    (c) => (c.status?.restarts ?? 0) >= 1 && has(c, 'Ready', 'True/Running'),
  );
  const ended = (await podOf('hungry'))?.status?.containerStatuses?.[0]?.lastState?.terminated;
  expect(ended?.reason).toBe('OOMKilled');
  expect(await inside('hungry', 'ls -d /etc/mine /tmp/hungry /etc/motd 2>/dev/null')).toBe('/etc/motd');
});

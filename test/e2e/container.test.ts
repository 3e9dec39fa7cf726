import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventsOf } from '../../hack/lib/kube/explain.ts';
import { waitFor } from '../../hack/lib/kube/wait.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import { serveFiles, tinyArchive } from './lib/files.ts';
import {
  applyContainer,
  distribute,
  distributed,
  hostedContainers,
  page,
  pods,
  remove,
  reverted,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { has, kubectl, namespace } from './lib/system.ts';

/** The life of one container: start, restart, upgrade, failed upgrade, revert. The tests build on each other. */

const name = 'life';
const [good, better, broken] = ['tiny:life1', 'tiny:life2', 'tiny:life3'] as const;
const here = { name, namespace };

beforeAll(async () => {
  await serveFiles();
  await distribute(good, await tinyArchive('life1'));
  await distribute(better, await tinyArchive('life2'));
  await distribute(broken, await tinyArchive('life3', '--broken'));
  await Promise.all([good, better, broken].map((image) => distributed(image)));
});
afterAll(() => remove({ containers: [name], images: [good, better, broken] }));

/** What a person does to upgrade. */
const ask = (image: string) =>
  kubectl.run(['-n', namespace, 'patch', 'hctr', name, '--type=merge', '-p', JSON.stringify({ spec: { image } })]);

const shell = async (script: string) => (await kubectl.shell(here, script)).stdout.trim();

test('a container starts on its image and serves', async () => {
  await applyContainer(name, {
    image: good,
    data: { ephemeral: { size: '10Mi' } },
    environment: 'staging',
    timeZone: 'UTC',
    env: [{ name: 'GREETING', value: 'good day' }],
    ports: [{ name: 'http', containerPort: 8080 }],
  });
  const container = await upToDate(name, good);
  expectValidStatus(container);
  expect(container.status).toMatchObject({ image: good, lastKnownGoodImage: good, restarts: 0 });
  expect(await page(name)).toBe(`${namespace}/${name} on ${good}`);
});

test('its root is read-only and shared, its overlays are in memory, and its environment is as asked', async () => {
  const write = await kubectl.shell(here, 'touch /usr/x');
  expect(write.stderr).toContain('Read-only file system');
  const mounts = (await shell('cat /proc/self/mounts')).split('\n').map((line) => line.split(' '));
  const at = (path: string) => mounts.find(([, mountPoint]) => mountPoint === path);
  for (const path of ['/usr', '/bin', '/.monoroot/defaults/etc']) expect(at(path)?.[3]).toMatch(/^ro,/);
  for (const path of ['/etc', '/var', '/tmp', '/run']) expect(at(path)?.[2]).toBe('tmpfs');
  expect(await shell('stat -c %a /tmp /etc')).toBe('1777\n755');
  expect(await shell('grep -c Kubernetes-managed /etc/hosts')).toBe('1');
  const environment = await shell("tr '\\0' '\\n' </proc/1/environ");
  expect(environment).toContain('GREETING=good day');
  expect(environment).toContain('MONOROOT_ENVIRONMENT=staging');
  expect(environment).toContain('SITE_ROOT=/var/www');
});

test('its Pod is what the design says', async () => {
  const pod = await kubectl.get(pods, here);
  const spec = JSON.stringify(pod?.spec);
  for (const word of ['initContainers', 'subPath', 'SYS_ADMIN', '"privileged":true']) expect(spec).not.toContain(word);
  expect(pod?.spec.volumes?.some((v) => v.name.startsWith('kube-api-access'))).toBe(false);
});

test('after a restart the overlays are as in the image, and the data is kept', async () => {
  await shell('touch /etc/mine /var/mine /tmp/mine /data/mine; rm /etc/motd');
  await kubectl.exec(here, ['kill', '1']);
  await untilContainer(name, 'was restarted', (c) => c.status?.restarts === 1 && has(c, 'Ready', 'True/Running'));
  expect(await shell('ls -d /etc/mine /var/mine /tmp/mine /data/mine /etc/motd 2>/dev/null')).toBe(
    '/data/mine\n/etc/motd',
  );
});

test('logs, port-forward and debug work as with any Pod', async () => {
  expect(await kubectl.run(['-n', namespace, 'logs', name])).toContain('Serving on port 8080');
  expect(await throughPortForward()).toContain(`on ${good}`);
  const image = 'localhost/monoroot-scaffold-split:dev';
  const shared = [
    '--target=main',
    '--profile=general',
    '--image-pull-policy=IfNotPresent',
    '--',
    '/.monoroot/busybox',
    'cat',
    '/proc/1/comm',
  ];
  await kubectl.run(['-n', namespace, 'debug', name, `--image=${image}`, '--container=look', ...shared]);
  const seen = await waitFor(
    'the debug container ends',
    async () => {
      const log = await kubectl.try(['-n', namespace, 'logs', name, '-c', 'look']);
      return log.stdout.trim() ? { done: log.stdout.trim() } : { waiting: log.stderr };
    },
    { seconds: 60 },
  );
  expect(seen).toBe('serve');
});

/** What the service answers through a forwarded port. */
async function throughPortForward(): Promise<string> {
  const forward = spawn('kubectl', ['-n', namespace, 'port-forward', name, ':8080'], {
    env: kubectl.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    for await (const line of createInterface({ input: forward.stdout })) {
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    }
    throw new Error('kubectl port-forward ended without forwarding');
  } finally {
    forward.kill();
  }
}

test('an upgrade replaces the Pod and becomes the last known good', async () => {
  await ask(better);
  const container = await upToDate(name, better);
  expect(container.status?.lastKnownGoodImage).toBe(better);
  expect(container.status?.history?.map((h) => [h.image, h.outcome])).toEqual([
    [better, 'Succeeded'],
    [good, 'Succeeded'],
  ]);
  expect(await page(name)).toBe(`${namespace}/${name} on ${better}`);
});

test('an image whose service does not come up is reverted in spec, with condition, event and its last words', async () => {
  await ask(broken);
  const container = await reverted(name, better);
  expectValidStatus(container);
  expect(container.spec.image).toBe(better);
  expect(await page(name)).toBe(`${namespace}/${name} on ${better}`);
  expect(container.status?.failedImages?.[0]).toMatchObject({ image: broken, reason: 'CrashLooping', attempts: 1 });
  expect(container.status?.failedImages?.[0]?.message).toContain('unknown directive');
  const told = await eventsOf(kubectl, hostedContainers, here);
  expect(told.find((event) => event.reason === 'UpgradeReverted')?.note).toContain('unknown directive');
  const managers = await kubectl.run([
    '-n',
    namespace,
    'get',
    'hctr',
    name,
    '--show-managed-fields',
    '-o',
    'jsonpath={.metadata.managedFields[*].manager}',
  ]);
  expect(managers).toContain('monoroot-revert');
});

test('writing the failed version again starts no second attempt', async () => {
  const before = await kubectl.get(pods, here);
  await ask(broken);
  const container = await untilContainer(name, 'knows that it failed before', (c) =>
    has(c, 'Upgraded', 'False/FailedBefore'),
  );
  expect(container.spec.image).toBe(broken);
  expect(has(container, 'Ready', 'True/Running')).toBe(true);
  expect(has(container, 'Stalled', 'True/FailedBefore')).toBe(true);
  expect(container.status?.failedImages?.[0]?.attempts).toBe(1);
  expect((await kubectl.get(pods, here))?.metadata.uid).toBe(before?.metadata.uid);
});

test('a mount script that fails is reported with its words, and reverted', async () => {
  const fails = { env: [{ name: 'MOUNT_SCRIPT_FAILS', value: 'the disk of /data is not mine' }] };
  await ask(better);
  await upToDate(name, better);
  await applyContainer('mount', { image: good, ...fails });
  const container = await untilContainer('mount', 'says why it does not start', (c) =>
    has(c, 'Ready', 'False/MountScriptFailed'),
  );
  expect(container.status?.conditions?.find((c) => c.type === 'Ready')?.message).toContain(
    'the disk of /data is not mine',
  );
  await remove({ containers: ['mount'] });
});

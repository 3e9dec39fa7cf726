import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { Container, failure, initOf, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing =
  whyNoContainers() ??
  (spawnSync('sh', ['-c', 'command -v apt-get']).status === 0 ? undefined : 'needs the packages of a Debian');
if (missing !== undefined) console.warn(`Tests of launch in odd images are skipped: ${missing}`);

let bundles: string[] = [];
const bundle = (name: string): string => {
  const path = bundles.find((file) => file.endsWith(`/${name}.tar.zst`));
  if (path === undefined) throw new Error(`hack/osimages odd made no ${name}`);
  return path;
};

beforeAll(() => {
  if (missing !== undefined) return;
  const made = spawnSync(join(import.meta.dirname, '../hack/osimages'), ['odd'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`hack/osimages odd failed: ${made.stderr}`);
  bundles = made.stdout.trim().split('\n');
}, 300_000);

/** Waits until the value is there; fails with what was missing after 90 s. */
const until = async <Value>(what: string, read: () => Value | undefined): Promise<Value> => {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not after 90 s`);
    await setTimeout(20);
  }
};

/** Runs busybox in the network of the container. */
const inNetwork = (running: ChildProcess, ...command: string[]) =>
  spawnSync('nsenter', ['--target', String(initOf(running)), '--net', 'busybox', ...command], { encoding: 'utf8' });

const page = (running: ChildProcess): Promise<string> =>
  until('the page', () => {
    inNetwork(running, 'ip', 'link', 'set', 'lo', 'up');
    return inNetwork(running, 'wget', '-qO-', 'http://127.0.0.1:8080/').stdout || undefined;
  });

const stop = async (running: ChildProcess): Promise<unknown> => {
  const exit = once(running, 'exit');
  process.kill(initOf(running), 'SIGTERM');
  return (await exit)[0];
};

/** What is in the file; undefined when it is not there, or is that of a process that has just ended. */
function file(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
const temporary = (): string => fs.mkdtempSync(join(tmpdir(), 'monoroot-data-'));

describe.skipIf(missing !== undefined)('image', { timeout: 120_000 }, () => {
  test.each([
    ['distroless-1', '/var/run', '/run'],
    ['alpine-like-1', '/etc/mtab', '../proc/mounts'],
    ['rhel-like-1', '/etc/os-release', '../usr/lib/os-release'],
  ])('%s serves, stops at SIGTERM, and starts again', async (name, link, target) => {
    await using container = await Container.create({ bundle: bundle(name), network: true });
    for (let start = 0; start < 2; start++) {
      const running = container.start(container.command);
      expect(await page(running)).toBe('customers/shop on tiny:v1\n');
      expect(fs.readlinkSync(container.path(link))).toBe(target);
      expect(file(container.path('/etc/resolv.conf'))).toBe('kubelet\n');
      await stop(running);
    }
  });

  test.each(['distroless-1', 'alpine-like-1', 'rhel-like-1', 'services-1', 'services-2'])('%s is small', (name) => {
    expect(fs.statSync(bundle(name)).size).toBeLessThan(40 << 20);
  });

  test('without a shell has nothing but its program to run', async () => {
    await using container = await Container.create({ bundle: bundle('distroless-1') });
    expect(failure(container.run(['sh'])).line).toMatch(/^monoroot: CommandNotFound: 'sh' is not in tiny:v1/);
    expect(container.run(['/app/server', '-V'])).toMatchObject({
      stdout: expect.stringContaining('mini_httpd') as string,
    });
  });

  test('of a foreign C library runs programs of it, and finds libraries through /etc/ld.so.cache', async () => {
    await using alpine = await Container.create({ bundle: bundle('alpine-like-1') });
    expect(alpine.run(['/lib/' + (fs.readdirSync(join(alpine.image, 'lib')).find((it) => it.startsWith('ld-musl')) ?? '')]).stderr).toContain('musl libc'); // prettier-ignore
    expect(alpine.run(['mini_httpd', '-V']).status).toBe(0);
    await using rhel = await Container.create({ bundle: bundle('rhel-like-1') });
    expect(rhel.run(['mini_httpd', '-V']).status).toBe(0);
    expect(rhel.run(['bash', '-c', 'stat -c %a /etc/shadow']).stdout).toBe('0\n');
  });
});

describe.skipIf(missing !== undefined)('services', { timeout: 120_000 }, () => {
  const services = { MONOROOT_SERVICES: 'true' };
  const supervised = [['runit', 'services-1'] as const, ['s6', 'services-2'] as const];

  /** Makes services of the customer: shell scripts, by name. */
  const withServices = (scripts: Record<string, string>): string => {
    const data = temporary();
    for (const [name, script] of Object.entries(scripts)) {
      fs.mkdirSync(join(data, 'service', name), { recursive: true });
      fs.writeFileSync(join(data, 'service', name, 'run'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    fs.chmodSync(data, 0o777);
    return data;
  };

  test.each(supervised)('of the image are run by %s', async (_, name) => {
    const data = temporary();
    await using container = await Container.create({ bundle: bundle(name), network: true, volumes: { '/data': data } });
    for (let start = 0; start < 2; start++) {
      const running = container.start([], services);
      expect(await page(running)).toBe('customers/shop on tiny:v1\n');
      expect(await stop(running)).toBe(0);
    }
    fs.rmSync(data, { recursive: true });
  });

  test.each(supervised)(
    'that end are started again, and are stopped before the container ends, by %s',
    async (_, name) => {
      const data = withServices({
        slow: `trap 'sleep 0.5; echo stopped >/data/stopped; exit' TERM; echo ready >/data/ready; while :; do sleep 0.1; done`,
        once: `echo x >>/data/starts; exec sleep 0.1`,
      });
      await using container = await Container.create({ bundle: bundle(name), volumes: { '/data': data } });
      const running = container.start(['never', 'run'], services);
      await until('ready', () => file(join(data, 'ready')));
      await until('a second start', () => (file(join(data, 'starts')) ?? '').split('x').length > 2 || undefined);
      expect(await stop(running)).toBe(0);
      expect(file(join(data, 'stopped'))).toBe('stopped\n');
      fs.rmSync(data, { recursive: true });
    },
  );

  test.each(supervised)('have the user, the environment and the signals of a command, under %s', async (_, name) => {
    const data = withServices({
      probe: `{ id -un; id -G; cat /proc/self/environ | tr '\\0' '\\n'; grep SigIgn /proc/self/status; } >/data/.seen; mv /data/.seen /data/seen; exec sleep 1000`,
    });
    await using container = await Container.create({
      bundle: bundle(name),
      volumes: { '/data': data },
      image: (root) => fs.appendFileSync(join(root, 'etc/group'), 'media:x:44:www-data\n'),
      mountScript: 'chown -R www-data /data; echo "FROM_SCRIPT=a b" >>"$MONOROOT_ENV"',
    });
    const running = container.start([], {
      ...services,
      MONOROOT_USER: 'www-data',
      'spring.profiles.active': 'x',
      LD_LIBRARY_PATH: '/opt/lib',
      name: 'mine',
    });
    const seen = (await until('what the service sees', () => file(join(data, 'seen')))).split('\n');
    expect(seen.slice(0, 2)).toEqual(['www-data', '33 44']);
    expect(seen).toEqual(
      expect.arrayContaining(['spring.profiles.active=x', 'FROM_SCRIPT=a b', 'LD_LIBRARY_PATH=/opt/lib', 'name=mine']),
    );
    expect(seen.filter((line) => /^(MONOROOT_SERVICES|MONOROOT_WRITABLE|MONOROOT_ENV=|launch_)/.test(line))).toEqual(
      [],
    );
    expect(seen.at(-2)).toMatch(/^SigIgn:\s+0+$/);
    expect(await stop(running)).toBe(0);
    fs.rmSync(data, { recursive: true });
  });

  test.each(supervised)('leave no zombies to %s', async (_, name) => {
    const data = withServices({
      orphans: `for i in 1 2 3; do (sleep 0.1 & echo $i >>/data/orphans) ; done; exec sleep 1000`,
    });
    await using container = await Container.create({ bundle: bundle(name), volumes: { '/data': data } });
    const running = container.start([], services);
    await until('orphans', () => (file(join(data, 'orphans')) === '1\n2\n3\n' ? true : undefined));
    const init = String(initOf(running));
    const states = () =>
      fs
        .readFileSync(`/proc/${init}/task/${init}/children`, 'utf8')
        .trim()
        .split(' ')
        .map((pid) => file(`/proc/${pid}/stat`)?.replace(/^\d+ \((.*)\) (.).*$/s, '$1 $2') ?? 'gone');
    // With all orphans ended and reaped, only the supervisor or its supervisors are left.
    await until(
      'no orphans',
      () => states().every((it) => /^(runsvdir|runsv|s6-supervise) [^Z]/.test(it)) || undefined,
    );
    expect(await stop(running)).toBe(0);
    fs.rmSync(data, { recursive: true });
  });

  test('that the customer does not have yet get a directory, and are found when they come', async () => {
    const data = temporary();
    await using container = await Container.create({
      bundle: bundle('services-1'),
      volumes: { '/data': data },
      mountScript: '',
    });
    const running = container.start([], services);
    const stderr = running.stderr ? once(running.stderr, 'data') : undefined;
    expect(String((await stderr)?.[0])).toBe(
      'monoroot: made /data/service, which holds no service yet: one is a directory with an executable file named run\n',
    );
    fs.mkdirSync(join(data, 'service/late'));
    fs.writeFileSync(join(data, 'service/late/run'), '#!/bin/sh\necho here >/data/late; exec sleep 1000\n', {
      mode: 0o755,
    });
    await until('the late service', () => file(join(data, 'late')));
    expect(await stop(running)).toBe(0);
    fs.rmSync(data, { recursive: true });
  });

  test('take a supervisor in the image', async () => {
    await using container = await Container.create();
    expect(failure(container.run([], services))).toEqual({
      status: 125,
      line:
        'monoroot: NoSupervisor: spec.services takes runit or s6, but neither runsvdir nor s6-svscan is in tiny:v1: ' +
        'looked in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/command',
    });
  });

  test('take a directory, which cannot be made without spec.data', async () => {
    await using container = await Container.create({ bundle: bundle('services-2'), mountScript: '' });
    const { status, line } = failure(container.run([], services));
    expect({ status, line }).toEqual({
      status: 125,
      line:
        'monoroot: NoServiceDirectory: /data/service does not exist and cannot be made: set spec.data, or make it in the ' +
        'mount script of tiny:v1',
    });
  });
});

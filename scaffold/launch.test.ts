import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container, failure, initOf, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('mount script', { timeout: 120_000 }, () => {
  test('runs in the filled container as root, and what it writes to $MONOROOT_ENV reaches the command literally', async () => {
    await using container = await Container.create({
      mountScript: `
        cat /etc/passwd >/var/seen
        echo "for $MONOROOT_NAMESPACE/$MONOROOT_NAME from $MONOROOT_DEFAULTS, $MONOROOT_ENVIRONMENT, $(id -u)"
        printf '%s\\n' '# comment' '' 'A=$(id) "x" \\n ' "B='q'=r" 'name=kept' 'PATH=/usr/bin' >>"$MONOROOT_ENV"
        printf 'LAST=no newline' >>"$MONOROOT_ENV"`,
    });
    const { status, stdout } = container.run(['env']);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'for customers/shop from /.monoroot/defaults, staging, 0',
        'A=$(id) "x" \\n ',
        "B='q'=r",
        'name=kept',
        'PATH=/usr/bin',
        'LAST=no newline',
      ]),
    );
    expect(container.read('/var/seen')).toContain('app');
    expect(fs.readdirSync(container.path('/run'))).toEqual([]);
  });

  test('that fails stops the start, with its exit code and last lines', async () => {
    await using container = await Container.create({
      mountScript: 'for i in $(/.monoroot/busybox seq 30); do echo "line $i"; done; printf "no newline" >&2; exit 3',
    });
    const { status, stdout, terminationLog } = container.run(['true']);
    expect(status).toBe(125);
    expect(stdout).toContain('line 1\n');
    const lines = terminationLog.trimEnd().split('\n');
    expect(lines[0]).toBe('monoroot: MountScriptFailed: the mount script of tiny:v1 exited with code 3');
    expect(lines.slice(1)).toEqual([...Array.from({ length: 19 }, (_, i) => `line ${i + 12}`), 'no newline']);
  });

  test('leaves a message that the kubelet does not cut, whatever it printed', async () => {
    await using container = await Container.create({
      mountScript: `/.monoroot/busybox yes ${'x'.repeat(1000)} | /.monoroot/busybox head -n 50; exit 1`,
    });
    const { terminationLog } = container.run(['true']);
    expect(terminationLog).toMatch(/^monoroot: MountScriptFailed: /);
    expect(terminationLog.length).toBeLessThan(4096);
  });

  test.each(['not an assignment', '1A=x', 'A-B=x', '=x', 'A =secret'])(
    'must write KEY=value, not "%s"',
    async (line) => {
      await using container = await Container.create({
        mountScript: `echo "OK=1" >"$MONOROOT_ENV"; echo '${line}' >>"$MONOROOT_ENV"`,
      });
      expect(failure(container.run(['true']))).toEqual({
        status: 125,
        line: 'monoroot: MountScriptFailed: the mount script of tiny:v1 wrote line 2 of $MONOROOT_ENV not as KEY=value',
      });
    },
  );

  test('may leave a process behind without holding up the start', async () => {
    await using container = await Container.create({ mountScript: 'sleep 1000 & echo started' });
    expect(container.run(['true'])).toMatchObject({ status: 0, stdout: 'started\n' });
  });

  test('may leave a process behind that goes on writing, and its lines come too', async () => {
    await using container = await Container.create({
      mountScript: `
        (while ! [ -e /var/go ]; do sleep 0.02; done
          echo "still there"; sleep 0.1; echo "and there" >&2; echo alive >/var/alive) &
        echo started`,
    });
    const command =
      'echo command; touch /var/go; i=0; while ! [ -e /var/alive ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i + 1)); done';
    const { status, stdout } = container.run(['sh', '-c', command]);
    expect({ status, lines: stdout.trimEnd().split('\n') }).toEqual({
      status: 0,
      lines: ['started', 'command', 'still there', 'and there'],
    });
    expect(container.read('/var/alive')).toBe('alive\n');
  });

  test('that hangs is ended by SIGTERM', async () => {
    await using container = await Container.create({ mountScript: 'echo hanging; sleep 1000' });
    const running = container.start(['true']);
    await once(running.stdout ?? running, 'data');
    process.kill(initOf(running), 'SIGTERM');
    expect(await once(running, 'exit')).toEqual([143, null]);
  });

  test('that does not end in time is stopped with its children, and its last words are reported', async () => {
    await using container = await Container.create({
      mountScript: `
        echo first
        (trap '' TERM; while sleep 0.1; do echo x >>/var/alive; done) &
        printf 'Waiting for the licence server'
        sleep 1000`,
    });
    const began = Date.now();
    const { status, terminationLog } = container.run(['true'], { MONOROOT_MOUNT_SCRIPT_TIMEOUT: '1' });
    expect(Date.now() - began).toBeLessThan(10_000);
    expect({ status, terminationLog }).toEqual({
      status: 125,
      terminationLog:
        'monoroot: MountScriptFailed: the mount script of tiny:v1 did not end within 1 s\nfirst\nWaiting for the licence server\n',
    });
  });

  test.each(['abc', '0', '00', '-1', '1.5', '1s', '99999999999'])(
    'with the time limit "%s" is not run',
    async (limit) => {
      await using container = await Container.create({ mountScript: 'echo ran' });
      const run = container.run(['true'], { MONOROOT_MOUNT_SCRIPT_TIMEOUT: limit });
      expect({ ...failure(run), stdout: run.stdout }).toEqual({
        status: 125,
        line: `monoroot: MountScriptFailed: MONOROOT_MOUNT_SCRIPT_TIMEOUT is '${limit}': set it to whole seconds, more than 0`,
        stdout: '',
      });
    },
  );

  test('that ends in time leaves no clock behind', async () => {
    await using container = await Container.create({ mountScript: 'true' });
    for (const seconds of ['1', '1000', ''])
      expect(container.run(['sh', '-c', 'echo /proc/[0-9]*'], { MONOROOT_MOUNT_SCRIPT_TIMEOUT: seconds }).stdout).toBe(
        '/proc/1\n',
      );
  });

  test('runs in an image without a shell', async () => {
    await using container = await Container.create({
      image: (root) => fs.rmSync(join(root, 'usr/bin/sh')),
      mountScript: 'echo "A=b" >"$MONOROOT_ENV"',
    });
    expect(container.run(['env']).stdout).toContain('A=b\n');
  });
});

describe.skipIf(missing !== undefined)('user', { timeout: 120_000 }, () => {
  const id = 'uid=$(id -u) gid=$(id -g) groups=$(id -G) $HOME ${USER-none} pid=$$';
  test.each([
    ['', 'uid=0 gid=0 groups=0 /root root pid=1'],
    ['root', 'uid=0 gid=0 groups=0 /root root pid=1'],
    ['app', 'uid=1000 gid=1001 groups=1001 44 45 /srv/app app pid=1'],
    ['1000', 'uid=1000 gid=1001 groups=1001 44 45 /srv/app app pid=1'],
    ['app:ops', 'uid=1000 gid=46 groups=46 /srv/app app pid=1'],
    ['app:2000', 'uid=1000 gid=2000 groups=2000 /srv/app app pid=1'],
    ['1234', 'uid=1234 gid=0 groups=0 / none pid=1'],
    ['1234:5678', 'uid=1234 gid=5678 groups=5678 / none pid=1'],
    ['0:44', 'uid=0 gid=44 groups=44 /root root pid=1'],
  ])('"%s" is %s', async (user, expected) => {
    await using container = await Container.create();
    const { stdout, stderr } = container.run(['sh', '-c', `echo "${id}"`], { MONOROOT_USER: user });
    expect({ stdout, stderr }).toEqual({ stdout: `${expected}\n`, stderr: '' });
  });

  test.each([
    ['nobody', "user 'nobody' is not in /etc/passwd of tiny:v1"],
    ['app:wheel', "group 'wheel' is not in /etc/group of tiny:v1"],
  ])('"%s" is refused', async (user, message) => {
    await using container = await Container.create();
    expect(failure(container.run(['true'], { MONOROOT_USER: user }))).toEqual({
      status: 125,
      line: `monoroot: UnknownUser: ${message}`,
    });
  });

  test.each([
    ['first', 'groups=1001 44'],
    ['second', 'groups=1001 45'],
    // As getpwuid has it.
    ['1000', 'groups=1001 44'],
  ])('of two with one uid, "%s" has groups of its own', async (user, expected) => {
    await using container = await Container.create({
      image: (root) => {
        fs.writeFileSync(join(root, 'etc/passwd'), 'first:x:1000:1001::/:/bin/sh\nsecond:x:1000:1001::/:/bin/sh\n');
        fs.writeFileSync(join(root, 'etc/group'), 'app:x:1001:\nmedia:x:44:first\nlog:x:45:second\n');
      },
    });
    const { stdout, stderr } = container.run(['sh', '-c', 'echo "groups=$(id -G)"'], { MONOROOT_USER: user });
    expect({ stdout, stderr }).toEqual({ stdout: `${expected}\n`, stderr: '' });
  });

  test.each([
    ['2147483648', "uid '2147483648' of user '2147483648'"],
    ['4294967295', "uid '4294967295' of user '4294967295'"],
    ['99999999999999999999', "uid '99999999999999999999' of user '99999999999999999999'"],
    ['0:2147483648', "gid '2147483648' of group '2147483648'"],
    ['odd', "uid '-1' of user 'odd'"],
    ['big', "gid '3000000000' of user 'big'"],
  ])('"%s" is no user that there can be, and that is said', async (user, what) => {
    await using container = await Container.create({
      image: (root) =>
        fs.writeFileSync(join(root, 'etc/passwd'), 'odd:x:-1:0::/:/bin/sh\nbig:x:5:3000000000::/:/bin/sh\n'),
    });
    expect(failure(container.run(['true'], { MONOROOT_USER: user }))).toEqual({
      status: 125,
      line: `monoroot: UnknownUser: ${what} of tiny:v1 is no number from 0 to 2147483647`,
    });
  });

  test('2147483647 is the last that there can be', async () => {
    await using container = await Container.create();
    const { stdout } = container.run(['sh', '-c', 'id -u; id -g'], { MONOROOT_USER: '2147483647:2147483647' });
    expect(stdout).toBe('2147483647\n2147483647\n');
  });

  test.each([
    ['6', '6 60', 'whose name an earlier entry has with another uid'],
    ['-', '8 80', 'who is called as su calls a login'],
    ['short', '9 90', 'whose entry lacks fields'],
  ])('"%s" is who was asked for: %s, %s', async (user, expected) => {
    const passwd = ['twice:x:5:50::/:/bin/sh', 'twice:x:6:60::/:/bin/sh', '-:x:8:80::/:/bin/sh', 'short:x:9:90', ''];
    await using container = await Container.create({
      image: (root) => fs.writeFileSync(join(root, 'etc/passwd'), passwd.join('\n')),
    });
    const { stdout } = container.run(['sh', '-c', 'echo "$(id -u) $(id -g)"'], { MONOROOT_USER: user });
    expect(stdout).toBe(`${expected}\n`);
  });

  test('needs no /etc/passwd when it is a number', async () => {
    await using container = await Container.create({ image: (root) => fs.rmSync(join(root, 'etc/passwd')) });
    expect(container.run(['id', '-u'], { MONOROOT_USER: '7:8' }).stdout).toBe('7\n');
  });
});

describe.skipIf(missing !== undefined)('command', { timeout: 120_000 }, () => {
  test.each(['', 'app'])('gets its arguments and its environment as the Pod has them (user "%s")', async (user) => {
    await using container = await Container.create();
    const odd = { 'spring.profiles.active': 'a b\nc', 'x-y': '1', dir: 'mine', name: 'mine', HOME: '/mine' };
    const args = ['a b', 'new\nline', `q'u"o`, '$HOME', '', '*', '--', '-c'];
    const script =
      'while IFS= read -r -d "" line; do echo "$line"; done </proc/$$/environ; for arg; do echo "[$arg]"; done';
    const { stdout } = container.run(['sh', '-c', script, ...args], {
      ...odd,
      MONOROOT_USER: user,
      MONOROOT_WORKDIR: '/var/lib',
    });
    expect(stdout).toContain(
      args
        .slice(1)
        .map((arg) => `[${arg}]\n`)
        .join(''),
    );
    for (const [name, value] of Object.entries(odd)) expect(stdout).toContain(`${name}=${value}\n`);
    expect([...stdout.matchAll(/^(MONOROOT_\w+|PWD|OLDPWD|SHLVL)=/gm)].map((match) => match[1]).sort()).toEqual([
      'MONOROOT_ENVIRONMENT',
      'MONOROOT_NAME',
      'MONOROOT_NAMESPACE',
      'MONOROOT_OS',
      'MONOROOT_VERSION',
    ]);
  });

  test.each([
    ['-', 'dash'],
    ['-i', 'an option of env'],
    ['OPTIND', 'no number'],
    ['IFS', ':'],
    ['RANDOM', 'mine'],
    ['PPID', '77'],
    ['_', 'mine'],
  ])('gets the variable %s as the Pod has it', async (name, value) => {
    await using container = await Container.create();
    for (const user of ['', 'app']) {
      const { status, stdout, stderr } = container.run(['cat', '/proc/self/environ'], {
        [name]: value,
        MONOROOT_USER: user,
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout.split('\0')).toContain(`${name}=${value}`);
    }
  });

  test('runs in the working directory, as the only process', async () => {
    await using container = await Container.create();
    const { stdout } = container.run(['sh', '-c', 'pwd; echo /proc/[0-9]*'], { MONOROOT_WORKDIR: '/var/lib' });
    expect(stdout).toBe('/var/lib\n/proc/1\n');
  });

  test('keeps the exit code', async () => {
    await using container = await Container.create();
    expect(container.run(['sh', '-c', 'exit 7'])).toMatchObject({ status: 7, terminationLog: '' });
  });

  test.each<[string, string[], Record<string, string>, string]>([
    ['nothing', [], {}, 'no command: set spec.command, or spec.defaults.command of image tiny:v1'],
    ['unknown', ['jira', 'x'], { PATH: '/bin:/usr/sbin' }, "'jira' is not in tiny:v1: looked in /bin:/usr/sbin"],
    ['missing path', ['/opt/jira'], {}, "'/opt/jira' is not in tiny:v1"],
    ['not executable', ['/etc/passwd'], {}, "'/etc/passwd' of tiny:v1 is not an executable file"],
    ['a directory', ['/etc'], {}, "'/etc' of tiny:v1 is not an executable file"],
    [
      'missing interpreter',
      ['/etc/script'],
      {},
      "'/etc/script' of tiny:v1 did not start: it, its interpreter or its dynamic loader is missing",
    ],
    [
      'missing interpreter, as user',
      ['/etc/script'],
      { MONOROOT_USER: 'app' },
      "'/etc/script' of tiny:v1 did not start: it, its interpreter or its dynamic loader is missing",
    ],
    [
      'forbidden',
      ['/etc/private'],
      { MONOROOT_USER: 'app' },
      "'/etc/private' of tiny:v1 may not be executed by uid 1000",
    ],
    ['no such working directory', ['true'], { MONOROOT_WORKDIR: '/no' }, "working directory '/no' is not in tiny:v1"],
  ])('that cannot start is reported: %s', async (_, args, env, message) => {
    await using container = await Container.create({
      image: (root) => {
        fs.writeFileSync(join(root, 'etc/script'), '#!/usr/bin/python9\n', { mode: 0o755 });
        fs.writeFileSync(join(root, 'etc/private'), '#!/bin/sh\n', { mode: 0o700 });
      },
    });
    expect(failure(container.run(args, env))).toEqual({ status: 125, line: `monoroot: CommandNotFound: ${message}` });
  });

  test.each(['0', 'app'])(
    'that must have a capability which the container lacks names it, as user %s',
    async (user) => {
      await using container = await Container.create({
        image: (root) => {
          fs.copyFileSync(join(root, 'usr/bin/busybox'), join(root, 'usr/bin/vault'));
          fs.chmodSync(join(root, 'usr/bin/vault'), 0o755);
          execFileSync('setcap', ['cap_ipc_lock,cap_chown,cap_perfmon=ep', join(root, 'usr/bin/vault')]);
        },
      });
      expect(failure(container.run(['vault'], { MONOROOT_USER: user }))).toEqual({
        status: 125,
        line:
          "monoroot: CommandNotFound: 'vault' of tiny:v1 has file capabilities that the container lacks: IPC_LOCK, PERFMON: " +
          'add them to spec.podTemplate.securityContext.addCapabilities, or remove them in the image (setcap -r)',
      });
    },
  );
});

describe.skipIf(missing !== undefined)('direct mounts', { timeout: 120_000 }, () => {
  test('a container that the node plugin was not asked about does not start its command', async () => {
    await using container = await Container.create();
    const run = container.run(['env'], { MONOROOT_MOUNTS: '{"os":"tiny"}', MONOROOT_DIRECT: 'true' });
    expect(failure(run)).toEqual({
      status: 125,
      line: expect.stringMatching(/^monoroot: NoMounts: the node plugin of direct mounts did not answer/) as string,
    });
    expect(run.stdout).toBe('');
  });

  test('what the node plugin mounted is left as it is, with owner and mode of the image, and the command learns nothing of it', async () => {
    await using container = await Container.create();
    fs.writeFileSync(container.path('/etc/mounted'), '');
    const env = { MONOROOT_MOUNTS: '', MONOROOT_DIRECT: 'true', MONOROOT_OVERLAYS: '/var=7:8:2750' };
    const { status, stdout } = container.run(['env'], env);
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/MONOROOT_(MOUNTS|DIRECT|OVERLAYS)/);
    expect(fs.existsSync(container.path('/etc/mounted'))).toBe(true);
    expect(fs.existsSync(container.path('/etc/passwd'))).toBe(false);
    const { uid, gid, mode } = fs.statSync(container.path('/var'));
    expect([uid, gid, mode & 0o7777]).toEqual([7, 8, 0o2750]);
    expect(fs.statSync(container.path('/tmp')).mode & 0o7777).toBe(0o1777);
  });
});

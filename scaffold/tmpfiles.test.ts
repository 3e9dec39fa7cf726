import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);

/** Files of an image, by path. */
const files = (contents: Record<string, string>) => (root: string) => {
  for (const [path, text] of Object.entries(contents)) {
    fs.mkdirSync(dirname(join(root, path)), { recursive: true });
    fs.writeFileSync(join(root, path), text, { mode: 0o755 });
  }
};

describe.skipIf(missing !== undefined)('tmpfiles.d of the image', { timeout: 120_000 }, () => {
  const describeAll = 'for f in "$@"; do [ -L $f ] && readlink $f || stat -c "%F %a %u:%g" $f; done';

  test('is done before the mount script, at each start', async () => {
    const conf = `# of Debian's packages
d /run/postgresql 2775 app app - -
d /run/sshd 0755
D /var/lib/php/sessions 1733 root root - -
d %t/php/pool - app - -
f /run/motd 0640 - app - one\\ntwo
L /run/link - - - - ../etc/passwd
C /var/copied - - - - /etc/group
z /etc/passwd 0600 app
p /run/pipe 0620 app
F! /run/nologin 0644 - - - "booting"
d /usr/forbidden 0755 - - -
w /proc/sys/kernel/x - - - - 1
d /run/%H/x
`;
    await using container = await Container.create({
      image: files({ 'usr/lib/tmpfiles.d/all.conf': conf }),
      mountScript: '[ -d /run/postgresql ] || exit 1',
    });
    const paths =
      '/run/postgresql /run/sshd /var/lib/php/sessions /run/php/pool /run/motd /run/link /var/copied /etc/passwd /run/pipe';
    for (let start = 0; start < 2; start++) {
      const { status, stdout, stderr } = container.run(['sh', '-c', describeAll, 'sh', ...paths.split(' ')]);
      expect({ status, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({
        status: 0,
        stderr: '',
        lines: [
          'directory 2775 1000:1001',
          'directory 755 0:0',
          'directory 1733 0:0',
          'directory 755 1000:0',
          'regular file 640 0:1001',
          '../etc/passwd',
          expect.stringMatching(/^regular file \d+ 0:0$/),
          'regular file 600 1000:0',
          'fifo 620 1000:0',
        ],
      });
      expect(container.read('/run/motd')).toBe('one\ntwo');
      expect(fs.existsSync(container.path('/run/nologin'))).toBe(false);
    }
  });

  test('in /etc wins over a file of the same name, and the first line over others', async () => {
    await using container = await Container.create({
      image: (root) => {
        files({
          'etc/tmpfiles.d/a.conf': 'd /run/mine 0700\n',
          'usr/lib/tmpfiles.d/a.conf': 'd /run/theirs 0700\n',
          'usr/lib/tmpfiles.d/b.conf': 'd /run/mine 0755\nd /run/parent/child 0711\nd /run/parent 0710\n',
          'usr/lib/tmpfiles.d/masked.conf': 'd /run/masked\n',
        })(root);
        fs.symlinkSync('/dev/null', join(root, 'etc/tmpfiles.d/masked.conf'));
      },
    });
    const { stdout } = container.run(['sh', '-c', 'stat -c "%n %a" /run/*', '']);
    expect(stdout).toBe('/run/mine 700\n/run/parent 710\n');
  });

  test('with an owner that the image has not is reported, and does not keep the container from starting', async () => {
    await using container = await Container.create({
      image: files({ 'usr/lib/tmpfiles.d/a.conf': 'd /run/a 0750 nowhere\nd /run/b\nf^ /run/c - - - - login.motd\n' }),
    });
    const { status, stdout, stderr } = container.run(['sh', '-c', 'echo /run/*']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '/run/b\n' });
    expect(stderr).toBe('monoroot: warning: tmpfiles.d of tiny:v1: nowhere is not in /etc/passwd\n');
  });

  test.each([
    ['is done by its systemd-tmpfiles', 'exit 0', '/run/by-systemd\n'],
    ['is done without it where it fails', 'exit 1', '/run/a /run/by-systemd\n'],
  ])('%s', async (_name, end, expected) => {
    const script = `#!/bin/sh\necho "$@" >/run/by-systemd\n${end}\n`;
    await using container = await Container.create({
      image: files({ 'usr/lib/tmpfiles.d/a.conf': 'd /run/a\n', 'usr/bin/systemd-tmpfiles': script }),
    });
    expect(container.run(['sh', '-c', 'echo /run/*'])).toMatchObject({ stdout: expected, stderr: '' });
    expect(container.read('/run/by-systemd')).toBe(
      '--create --prefix=/etc --prefix=/run --prefix=/tmp --prefix=/var\n',
    );
  });
});

describe.skipIf(missing !== undefined)('directories of systemd units of the image', { timeout: 120_000 }, () => {
  const ssh = '[Unit]\nDescription=x\n[Service]\nType=notify\nRuntimeDirectory=sshd\nRuntimeDirectoryMode=0755\n';
  const app =
    '[Service]\nUser=app\nRuntimeDirectory=app app/pool\nRuntimeDirectoryMode=2750\nStateDirectory = app\nLogsDirectory=app:old\nCacheDirectory=app\nCacheDirectoryMode=0700\n';
  const list = (...paths: string[]) => ['sh', '-c', 'stat -c "%n %a %u:%g" "$@"', 'sh', ...paths];

  test('are there at each start, with mode and owner, as their services expect', async () => {
    await using container = await Container.create({
      image: files({
        'usr/lib/systemd/system/ssh.service': ssh,
        'usr/lib/systemd/system/app@.service': app,
        'usr/lib/systemd/system/group.service': '[Service]\nUser=app\nGroup=media\nRuntimeDirectory=group\n',
      }),
    });
    const paths = [
      '/run/sshd',
      '/run/app',
      '/run/app/pool',
      '/var/lib/app',
      '/var/log/app',
      '/var/cache/app',
      '/run/group',
    ];
    for (let start = 0; start < 2; start++) {
      expect(container.run(list(...paths))).toMatchObject({
        stderr: '',
        stdout:
          '/run/sshd 755 0:0\n/run/app 2750 1000:1001\n/run/app/pool 2750 1000:1001\n/var/lib/app 755 1000:1001\n' +
          '/var/log/app 755 1000:1001\n/var/cache/app 700 1000:1001\n/run/group 755 1000:44\n',
      });
    }
  });

  test('leave alone what the image or its tmpfiles.d has, and a unit in /etc wins', async () => {
    await using container = await Container.create({
      image: (root) => {
        files({
          'usr/lib/tmpfiles.d/a.conf': 'd /run/sshd 0711 app\n',
          'usr/lib/systemd/system/ssh.service': ssh,
          'usr/lib/systemd/system/own.service': '[Service]\nRuntimeDirectory=theirs\nStateDirectory=kept\n',
          'etc/systemd/system/own.service': '[Service]\nRuntimeDirectory=mine\nStateDirectory=kept\n',
          'usr/lib/systemd/system/masked.service': '[Service]\nRuntimeDirectory=masked\n',
          'var/lib/kept': 'a file',
        })(root);
        fs.symlinkSync('/dev/null', join(root, 'etc/systemd/system/masked.service'));
      },
    });
    expect(container.run(['sh', '-c', 'stat -c "%n %a %u" /run/* && cat /var/lib/kept'])).toMatchObject({
      stderr: '',
      stdout: '/run/mine 755 0\n/run/sshd 711 1000\na file',
    });
  });

  test('that no service could have here are not made', async () => {
    await using container = await Container.create({
      image: files({
        'usr/lib/systemd/system/a.service':
          '[Unit]\nRuntimeDirectory=unit\n[Service]\nRuntimeDirectory=../../etc/x %i /abs a/../b systemd/x dropped\nRuntimeDirectory=\n',
        'usr/lib/systemd/system/b.service': '[Service]\nDynamicUser=yes\nRuntimeDirectory=dynamic\n',
        'usr/lib/systemd/system/c.service': '[Service]\nUser=nowhere\nRuntimeDirectory=nowhere\n',
        'usr/lib/systemd/system/d.socket': '[Service]\nRuntimeDirectory=socket\n',
      }),
    });
    const { status, stdout, stderr } = container.run(['sh', '-c', 'ls -A /run; ls /etc/x /abs']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('monoroot: warning: systemd units of tiny:v1: nowhere is not in /etc/passwd\n');
  });
});

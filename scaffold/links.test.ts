import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);

const temporary = (): string => fs.mkdtempSync(join(tmpdir(), 'monoroot-volume-'));

describe.skipIf(missing !== undefined)('symlinks of the image', { timeout: 120_000 }, () => {
  const secrets = '/var/run/secrets/kubernetes.io/serviceaccount';

  test.each(['/run', '../run'])('lead on where a service account token is mounted: /var/run -> %s', async (target) => {
    const token = temporary();
    fs.writeFileSync(join(token, 'token'), 'secret');
    await using container = await Container.create({
      image: (root) => fs.symlinkSync(target, join(root, 'var/run')),
      volumes: { [secrets]: token },
    });
    for (let run = 0; run < 3; run++) {
      const script = `echo pid >/run/pid; cat /var/run/pid ${secrets}/token ${secrets.slice('/var'.length)}/token; echo >/var/run/dirt`;
      expect(container.run(['sh', '-c', script])).toMatchObject({ status: 0, stdout: 'pid\nsecretsecret', stderr: '' });
      expect(fs.readlinkSync(container.path('/var/run'))).toBe(target);
    }
    container.run(['true']);
    expect(fs.readdirSync(container.path('/run'))).toEqual(['secrets']);
    fs.rmSync(token, { recursive: true });
  });

  test('lead on from inside of the image too: a volume below one of them', async () => {
    const volume = temporary();
    fs.writeFileSync(join(volume, 'precious'), 'data');
    await using container = await Container.create({
      image: (root) => {
        fs.mkdirSync(join(root, 'var/opt/app'), { recursive: true });
        fs.mkdirSync(join(root, 'var/lib/app'));
        fs.writeFileSync(join(root, 'var/lib/app/default'), '');
        fs.symlinkSync('../../lib/app', join(root, 'var/opt/app/state'));
      },
      volumes: { '/var/opt/app/state/db': volume },
    });
    for (let run = 0; run < 2; run++) {
      const script = 'cat /var/opt/app/state/db/precious /var/lib/app/db/precious; echo /var/opt/app/state/*';
      expect(container.run(['sh', '-c', script])).toMatchObject({
        stdout: 'datadata/var/opt/app/state/db /var/opt/app/state/default\n',
        stderr: '',
      });
    }
    fs.rmSync(volume, { recursive: true });
  });

  test('that lead out of what can be written leave the mount where it is, and say so', async () => {
    const token = temporary();
    await using container = await Container.create({
      image: (root) => fs.symlinkSync('/usr/share', join(root, 'var/run')),
      volumes: { [secrets]: token },
    });
    const { status, stderr } = container.run(['true']);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'monoroot: /var/run/secrets of tiny:v1 is left out: something is mounted below that path\n',
    });
    fs.rmSync(token, { recursive: true });
  });

  test.each(['/run/lock', '../run/lock'])(
    '/var/lock -> %s leads to a directory where anyone can take a lock',
    async (target) => {
      await using container = await Container.create({
        image: (root) => fs.symlinkSync(target, join(root, 'var/lock')),
      });
      const lock = container.run(['sh', '-c', ': >/var/lock/mine && echo taken'], { MONOROOT_USER: 'app' });
      expect(lock).toMatchObject({ stdout: 'taken\n', stderr: '' });
      expect((fs.statSync(container.path('/run/lock')).mode & 0o7777).toString(8)).toBe('1777');
    },
  );

  test('/etc/hostname and /etc/resolv.conf give way to the files of the kubelet', async () => {
    await using container = await Container.create({
      image: (root) => {
        fs.symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf'));
        fs.symlinkSync('/proc/sys/kernel/hostname', join(root, 'etc/hostname'));
      },
    });
    const script = 'cat /etc/resolv.conf /etc/hostname';
    for (let run = 0; run < 2; run++)
      expect(container.run(['sh', '-c', script])).toMatchObject({ stdout: 'kubelet\nkubelet\n', stderr: '' });
  });
});

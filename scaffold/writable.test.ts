import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container, failure, whyNoContainers } from '../test/fixtures/scaffold.ts';
import { describeAttributes, describeTree, whyNoAttributes } from './tree.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);
const noAttributes = missing ?? whyNoAttributes();
if (noAttributes !== missing) console.warn(`Tests of attributes are skipped: ${String(noAttributes)}`);

const temporary = (): string => fs.mkdtempSync(join(tmpdir(), 'monoroot-volume-'));
const mode = (path: string): string => (fs.statSync(path).mode & 0o7777).toString(8);

/** Every kind of file that a copy can get wrong. */
const allKindsOfFile = (root: string): void => {
  const etc = join(root, 'etc');
  fs.mkdirSync(join(etc, 'app'));
  fs.writeFileSync(join(etc, 'shadow'), 'secret');
  fs.chownSync(join(etc, 'shadow'), 0, 42);
  fs.chmodSync(join(etc, 'shadow'), 0o640);
  fs.writeFileSync(join(etc, 'app/setuid'), 'x');
  fs.chownSync(join(etc, 'app/setuid'), 1000, 1001);
  fs.chmodSync(join(etc, 'app/setuid'), 0o6755);
  fs.linkSync(join(etc, 'app/setuid'), join(etc, 'second name'));
  fs.symlinkSync('/nowhere at all', join(etc, 'app/dangling'));
  execFileSync('mkfifo', ['-m', '0620', join(etc, 'app/fifo')]);
  // A server that closes takes its socket away, one that is killed leaves it.
  spawnSync(process.execPath, [
    '-e',
    `net.createServer().listen('${etc}/app/socket', () => process.kill(process.pid, 9))`,
  ]);
  fs.writeFileSync(join(etc, '-rf'), '');
  fs.writeFileSync(join(etc, '..two dots'), '');
  fs.writeFileSync(join(etc, 'line\nbreak'), '');
  fs.mkdirSync(join(root, 'var/private'), { mode: 0o700 });
  fs.chownSync(join(root, 'var/private'), 1000, 1001);
  fs.writeFileSync(join(root, 'var/private/file'), 'y');
  fs.chmodSync(join(root, 'var/tmp'), 0o1777);
  execFileSync('ln', [join(etc, 'app/dangling'), join(root, 'etc/link with two names')]);
  const paths = ['app/dangling', 'app/setuid', 'app/fifo', 'app/socket', 'app', 'shadow', '.'].map((path) =>
    join(etc, path),
  );
  execFileSync('touch', ['--no-dereference', '--date=@1500000000.123456789', ...paths]);
};

/** File capabilities, ACLs and attributes, also of a directory that something is mounted in. */
const allAttributes = (root: string): void => {
  fs.mkdirSync(join(root, 'etc/conf.d'));
  fs.writeFileSync(join(root, 'etc/tool'), 'x', { mode: 0o755 });
  fs.linkSync(join(root, 'etc/tool'), join(root, 'etc/conf.d/tool'));
  execFileSync('setcap', ['cap_net_raw=ep', join(root, 'etc/tool')]);
  for (const path of ['etc', 'etc/conf.d', 'etc/passwd', 'var/lib']) {
    execFileSync('setfattr', ['--name=user.origin', `--value=${path}`, join(root, path)]);
    execFileSync('setfacl', ['--modify=u:1000:r,g:44:rwx', join(root, path)]);
  }
  execFileSync('setfacl', ['--default', '--modify=g:44:rx', join(root, 'etc'), join(root, 'etc/conf.d')]);
};

/** /etc of the container as listed, without what the kubelet mounts there. */
const listEtc = (path: string): string[] =>
  describeTree(path).filter((line) => !/^\.\/(hosts|hostname|resolv\.conf) /.test(line));

describe.skipIf(missing !== undefined)('writable directories', { timeout: 120_000 }, () => {
  test('are filled with owner, mode, time, links and special files of the defaults', async () => {
    await using container = await Container.create({ image: allKindsOfFile });
    expect(container.run(['true'])).toMatchObject({ status: 0, stderr: '', terminationLog: '' });
    expect(listEtc(container.path('/etc'))).toEqual(listEtc(join(container.image, 'etc')));
    expect(describeTree(container.path('/var'))).toEqual(describeTree(join(container.image, 'var')));
  });

  test('are as new after a run that changed, added and removed files', async () => {
    await using container = await Container.create({ image: allKindsOfFile });
    container.run(['true']);
    fs.writeFileSync(container.path('/etc/passwd'), 'changed');
    fs.rmSync(container.path('/etc/app'), { recursive: true });
    fs.symlinkSync('/data', container.path('/etc/app'));
    for (const name of ['.hidden', '..dots', '-f', 'a b', 'new\nline', '*'])
      fs.writeFileSync(container.path(`/var/${name}`), '');
    fs.mkdirSync(container.path('/tmp/deep/er'), { recursive: true });
    fs.chmodSync(container.path('/etc'), 0o700);
    fs.chmodSync(container.path('/tmp'), 0o755);
    expect(container.run(['true']).status).toBe(0);
    expect(listEtc(container.path('/etc'))).toEqual(listEtc(join(container.image, 'etc')));
    expect(describeTree(container.path('/var'))).toEqual(describeTree(join(container.image, 'var')));
    expect(fs.readdirSync(container.path('/tmp'))).toEqual([]);
  });

  test('have the modes of the image, /tmp is world-writable and sticky, and one without defaults is plain', async () => {
    await using container = await Container.create({
      image: (root) => {
        fs.chmodSync(join(root, 'etc'), 0o751);
        fs.chmodSync(join(root, 'tmp'), 0o700);
        fs.rmSync(join(root, 'run'), { recursive: true });
      },
    });
    container.run(['true']);
    expect(['/etc', '/tmp', '/run'].map((path) => mode(container.path(path)))).toEqual(['751', '1777', '755']);
  });

  test('keep the files of the kubelet, even where the image has a symlink', async () => {
    await using container = await Container.create({
      image: (root) => {
        fs.writeFileSync(join(root, 'etc/hosts'), 'image');
        fs.symlinkSync('/run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf'));
      },
    });
    for (let run = 0; run < 2; run++) expect(container.run(['true'])).toMatchObject({ status: 0, stderr: '' });
    expect([container.read('/etc/hosts'), container.read('/etc/resolv.conf')]).toEqual(['kubelet\n', 'kubelet\n']);
  });

  test('keep volumes that are mounted deeper, and reset what lies around them', async () => {
    const volume = temporary();
    fs.writeFileSync(join(volume, 'precious'), 'data');
    await using container = await Container.create({
      image: (root) => {
        fs.mkdirSync(join(root, 'var/lib/my db'));
        fs.writeFileSync(join(root, 'var/lib/my db/default'), '');
        fs.writeFileSync(join(root, 'var/lib/neighbour'), '');
        fs.chmodSync(join(root, 'var/lib'), 0o2750);
      },
      volumes: { '/var/lib/my db': volume },
    });
    container.run(['true']);
    fs.writeFileSync(container.path('/var/lib/dirt'), '');
    expect(container.run(['true']).status).toBe(0);
    expect(fs.readdirSync(container.path('/var/lib'))).toEqual(['my db', 'neighbour']);
    expect(fs.readdirSync(volume)).toEqual(['precious']);
    expect(mode(container.path('/var/lib'))).toBe('2750');
    fs.rmSync(volume, { recursive: true });
  });

  test('are cleared without following symlinks', async () => {
    const volume = temporary();
    fs.mkdirSync(join(volume, 'precious'));
    await using container = await Container.create({ volumes: { '/run/volume': volume } });
    fs.symlinkSync('/run/volume', container.path('/var/trap'));
    fs.symlinkSync('/run/volume/precious', container.path('/etc/passwd'));
    expect(container.run(['true']).status).toBe(0);
    expect(fs.existsSync(join(volume, 'precious'))).toBe(true);
    expect(container.read('/etc/passwd')).toContain('app');
    fs.rmSync(volume, { recursive: true });
  });

  test('say what is left out when the image has a file where something is mounted', async () => {
    const volume = temporary();
    await using container = await Container.create({
      image: (root) => fs.writeFileSync(join(root, 'var/store'), ''),
      volumes: { '/var/store/deep': volume },
    });
    const { status, stderr } = container.run(['true']);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'monoroot: /var/store of tiny:v1 is left out: something is mounted below that path\n',
    });
    fs.rmSync(volume, { recursive: true });
  });

  test('inside of one another are filled each by itself', async () => {
    await using container = await Container.create({
      image: (root) => {
        fs.mkdirSync(join(root, 'var/cache/app/sub'), { recursive: true });
        fs.writeFileSync(join(root, 'var/cache/app/sub/file'), 'x');
        fs.writeFileSync(join(root, 'var/cache/outer'), 'y');
        fs.chmodSync(join(root, 'var/cache/app'), 0o2770);
        fs.symlinkSync('/etc', join(root, 'var/cache/link'));
      },
      overlays: ['/var/cache/app', '/var/cache/link', '/var/cache/none'],
    });
    for (let run = 0; run < 2; run++) {
      expect(container.run(['true'])).toMatchObject({ status: 0, stderr: '' });
      expect(describeTree(container.path('/var/cache/app'))).toEqual(
        describeTree(join(container.image, 'var/cache/app')),
      );
      expect(fs.readdirSync(container.path('/var/cache'))).toEqual(['app', 'link', 'none', 'outer']);
      expect(fs.readdirSync(container.path('/var/cache/link'))).toEqual([]);
      expect(mode(container.path('/var/cache/none'))).toBe('755');
      fs.writeFileSync(container.path('/var/cache/app/dirt'), '');
      fs.writeFileSync(container.path('/var/cache/none/dirt'), '');
    }
  });

  test('that are too small are reported with both numbers', async () => {
    await using container = await Container.create({
      image: (root) => fs.writeFileSync(join(root, 'var/big'), Buffer.alloc(3 << 20, 1)),
      mountOptions: { '/var': 'size=1m' },
    });
    const { status, line } = failure(container.run(['true']));
    expect(status).toBe(125);
    expect(line).toMatch(
      /^monoroot: DefaultsTooLarge: \/var: the defaults of tiny:v1 take 30\d\d KiB, but the writable directory holds 1024 KiB: /,
    );
  });

  test('must be mounted', async () => {
    await using container = await Container.create();
    expect(failure(container.run(['true'], { MONOROOT_WRITABLE: '/etc:/usr/share' }))).toEqual({
      status: 125,
      line: 'monoroot: DefaultsFailed: /usr/share is in MONOROOT_WRITABLE but is not a mounted volume',
    });
  });
});

describe.skipIf(noAttributes !== undefined)('attributes of the defaults', { timeout: 120_000 }, () => {
  const image = allAttributes;
  test('are kept: file capabilities, ACLs and extended attributes', async () => {
    await using container = await Container.create({ image, volumes: { '/var/lib/db': temporary() } });
    for (let run = 0; run < 2; run++) {
      expect(container.run(['true'])).toMatchObject({ status: 0, stderr: '' });
      for (const dir of ['/etc', '/var/lib']) {
        const expected = describeAttributes(join(container.image, dir));
        expect(expected.join('\n')).toMatch(/user\.origin[^]*user:1000:r--/);
        expect(describeAttributes(container.path(dir))).toEqual(expected);
      }
      expect(listEtc(container.path('/etc'))).toEqual(listEtc(join(container.image, 'etc')));
    }
  });

  test('are kept but for file capabilities, with a warning, where the container has no SETFCAP', async () => {
    await using container = await Container.create({ image, dropped: ['setfcap'] });
    const { status, stderr } = container.run(['true']);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^monoroot: warning: \/etc lacks attributes that the defaults of tiny:v1 have \(file capabilities take the capability SETFCAP\): .*\n$/,
    );
    const attributes = (path: string) => describeAttributes(path).filter((block) => !block.includes('capability'));
    expect(attributes(container.path('/etc'))).toEqual(attributes(join(container.image, 'etc')));
  });

  test('are kept whatever library the container preloads', async () => {
    await using container = await Container.create({ image });
    const { status, stderr } = container.run(['true'], { LD_PRELOAD: '/.monoroot/busybox', LD_DEBUG: 'all' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(describeAttributes(container.path('/etc'))).toEqual(describeAttributes(join(container.image, 'etc')));
  });
});

describe.skipIf(missing !== undefined)('time zone', { timeout: 120_000 }, () => {
  test('is set for programs that read files and for those that read TZ', async () => {
    await using container = await Container.create();
    expect(
      container.run(['sh', '-c', 'echo $TZ'], { TZ: 'Australia/Sydney', MONOROOT_TIME_ZONE: 'Australia/Sydney' })
        .stdout,
    ).toBe('Australia/Sydney\n');
    expect(fs.readlinkSync(container.path('/etc/localtime'))).toBe('/usr/share/zoneinfo/Australia/Sydney');
    expect(container.read('/etc/timezone')).toBe('Australia/Sydney\n');
  });

  test.each([
    [
      'Mars/Base',
      "tiny:v1 has no time zone 'Mars/Base': /usr/share/zoneinfo/Mars/Base does not exist (package tzdata has the zones)",
    ],
    ['../../../etc/passwd', "'../../../etc/passwd' is not a time zone name: use one like Europe/Berlin"],
  ])('%s is refused', async (zone, message) => {
    await using container = await Container.create();
    expect(failure(container.run(['true'], { MONOROOT_TIME_ZONE: zone }))).toEqual({
      status: 125,
      line: `monoroot: InvalidTimeZone: ${message}`,
    });
  });

  test.each([':/etc/localtime', ':UTC', 'CET-1CEST,M3.5.0,M10.5.0/3', 'Mars/Base'])(
    'of the image is handed on as it is: TZ=%s',
    async (TZ) => {
      await using container = await Container.create();
      expect(container.run(['sh', '-c', 'echo $TZ'], { TZ })).toMatchObject({ status: 0, stdout: `${TZ}\n` });
    },
  );

  test('UTC needs no file, and an empty one is not passed on', async () => {
    await using container = await Container.create();
    expect(container.run(['true'], { MONOROOT_TIME_ZONE: 'UTC' }).status).toBe(0);
    expect(container.run(['env'], { TZ: '' }).stdout).not.toContain('TZ');
  });
});

describe.skipIf(missing !== undefined)('a writable path', { timeout: 120_000 }, () => {
  test('that is a link in the image is refused, with the directory that it should name', async () => {
    await using container = await Container.create({
      image: (root) => {
        fs.mkdirSync(join(root, 'srv/cache'), { recursive: true });
        fs.mkdirSync(join(root, 'opt'));
        fs.symlinkSync('../srv/cache', join(root, 'opt/cache'));
      },
      overlays: ['/opt/cache'],
    });
    expect(failure(container.run(['true'])).line).toBe(
      'monoroot: DefaultsFailed: /opt/cache of spec.writable is a link to /srv/cache in tiny:v1: name that directory ' +
        'instead, or none where it is in an overlay already',
    );
  });
});

describe.skipIf(missing !== undefined)('volumes of the image', { timeout: 120_000 }, () => {
  test('that cannot be written to are named', async () => {
    await using container = await Container.create();
    const volumes = '/var/lib:/usr/share/app:/opt/app';
    const warning = (path: string, advice: string) =>
      `monoroot: warning: ${path} is a volume of tiny:v1, but cannot be written to here: ${advice}\n`;
    expect(container.run(['true'], { MONOROOT_VOLUMES: volumes })).toMatchObject({
      status: 0,
      stderr:
        warning('/usr/share/app', 'use /data, as nothing in /usr can be an overlay') +
        warning('/opt/app', 'add it to spec.writable where the image has the directory, or use /data'),
    });
  });

  test('and a working directory that the image lacks is made where that can be', async () => {
    await using container = await Container.create();
    expect(container.run(['pwd'], { MONOROOT_WORKDIR: '/var/www/app' }).stdout).toBe('/var/www/app\n');
  });
});

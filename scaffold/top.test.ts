import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);

/** Loader and libraries of a program of this machine. */
const libraries = (program: string): string[] =>
  execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/[^ :\n]+/g) ?? [];
const env = '/usr/bin/env';
const loader = '/lib64/ld-linux-x86-64.so.2';

/** A root by its paths: `dir/`, `path = text`, `link -> target`; and env(1) with its libraries, in `bin` and `lib`. */
function makeRoot(at: { bin: string; lib: string }, ...paths: string[]): string {
  const root = fs.mkdtempSync(join(tmpdir(), 'monoroot-top-'));
  const add = (path: string): string => {
    fs.mkdirSync(join(root, dirname(path)), { recursive: true });
    return join(root, path);
  };
  for (const path of paths) {
    const [link = '', target] = path.split(' -> ');
    const [file = '', text] = path.split(' = ');
    if (target !== undefined) fs.symlinkSync(target, add(link));
    else if (text !== undefined) fs.writeFileSync(add(file), `${text}\n`, { mode: 0o755 });
    else fs.mkdirSync(add(path), { recursive: true });
  }
  fs.copyFileSync(env, add(`${at.bin}/env`));
  const busybox = fs.existsSync('/bin/busybox') ? '/bin/busybox' : '/usr/bin/busybox';
  fs.copyFileSync(busybox, add(`${at.bin}/busybox`));
  for (const applet of ['sh', 'cat', 'ls', 'readlink', 'stat']) fs.symlinkSync('busybox', add(`${at.bin}/${applet}`));
  for (const path of libraries(env)) fs.copyFileSync(path, add(`${at.lib}/${path.split('/').at(-1) ?? ''}`));
  // A relative link, as packages have them: it starts from the real directory.
  fs.writeFileSync(add('usr/share/doc/text'), 'found\n');
  fs.symlinkSync(at.lib.startsWith('usr/') ? '../share/doc' : '../usr/share/doc', add(`${at.lib}/relative`));
  for (const directory of ['etc', 'var']) fs.mkdirSync(join(root, directory), { recursive: true });
  return root;
}

async function inContainer(
  root: string,
  use: (run: (script: string, env?: Record<string, string>) => string, container: Container) => void,
  options: { overlays?: string[] } = {},
): Promise<void> {
  try {
    await using container = await Container.create({ root, ...options });
    use((script, variables) => {
      const { status, stdout, stderr } = container.run(['sh', '-c', script], variables);
      return status === 0 ? stdout + stderr : `${String(status)}: ${stdout}${stderr}`;
    }, container);
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}

const usr = { bin: 'usr/bin', lib: 'usr/lib' };
const top = { bin: 'bin', lib: 'lib' };
const half = { bin: 'bin', lib: 'usr/lib' };

describe.skipIf(missing !== undefined || !fs.existsSync(loader))('links on top', { timeout: 120_000 }, () => {
  test.each<[string, { bin: string; lib: string }, string[]]>([
    ['Debian', usr, ['bin -> usr/bin', 'sbin -> usr/sbin', 'lib -> usr/lib', 'lib64 -> usr/lib64', 'usr/lib64 -> lib']],
    [
      'Arch and Fedora',
      usr,
      [
        'bin -> usr/bin',
        'sbin -> usr/bin',
        'usr/sbin -> bin',
        'lib -> usr/lib',
        'lib64 -> usr/lib',
        'usr/lib64 -> lib',
      ],
    ],
    [
      'a merged root without usr/lib64',
      usr,
      ['bin -> usr/bin', 'sbin -> usr/bin', 'lib -> usr/lib', 'lib64 -> usr/lib'],
    ],
    ['links written in other ways', usr, ['bin -> ./usr/bin', 'lib -> ../usr/lib', 'lib64 -> usr//lib']],
    ['busybox of Docker, Buildroot, Wolfi', top, ['lib64 -> lib', 'usr/lib64 -> lib']],
    ['a half merged root', half, ['lib -> usr/lib', 'lib64 -> usr/lib', 'sbin -> bin']],
    [
      'Nix',
      { bin: 'nix/store/x+y-sh/bin', lib: 'nix/store/z-libc/lib' },
      [
        'bin -> /nix/store/x+y-sh/bin',
        'lib64 -> nix/store/z-libc/lib',
        'lib -> nix/store/z-libc/lib',
        'nix/store/z-libc/usr -> ../../../usr',
      ],
    ],
  ])('of %s are there: programs start, and relative links inside lead on', async (_name, at, paths) => {
    await inContainer(makeRoot(at, ...paths), (run) => {
      for (let start = 0; start < 2; start++) {
        expect(run('A=started /bin/env | /bin/busybox grep ^A=; cat /lib/relative/text /lib64/relative/text')).toBe(
          'A=started\nfound\nfound\n',
        );
      }
      const same = `[ /bin/sh -ef /${at.bin}/sh ] && [ ${loader} -ef /${at.lib}/${basename(loader)} ] && echo same`;
      expect(run(`/bin/readlink -f /bin/sh; ${same}`)).toBe(`/${at.bin}/busybox\nsame\n`);
      for (const name of ['bin', 'lib', 'lib64'])
        expect(run(`echo x 2>&1 >/${name}/new || echo read-only`)).toContain('Read-only file system\nread-only\n');
    });
  });

  const bootc = [
    'bin -> usr/bin',
    'lib -> usr/lib',
    'lib64 -> usr/lib',
    'usr/lib64 -> lib',
    'opt -> var/opt',
    'var/opt/app = #!/bin/sh\necho app',
    'home -> var/home',
    'root -> var/roothome',
    'media -> run/media',
    'tmp -> sysroot/tmp',
    'sysroot/',
  ];

  test('to where the container writes lead to the same files by both names, as new at each start', async () => {
    await inContainer(makeRoot(usr, ...bootc), (run, container) => {
      for (let start = 0; start < 2; start++) {
        expect(run('ls /var/opt; /opt/app; ls /home /root')).toBe('app\napp\n/home:\n\n/root:\n');
        expect(
          run('ls /opt; echo 1 >/opt/a; echo 2 >/var/opt/b; cat /var/opt/a /opt/b; echo 3 >/home/c; cat /var/home/c'),
        ).toBe('app\n1\n2\n3\n');
        expect(run('echo 4 >/media/d; cat /run/media/d; stat -c "%a %u" /opt /home /var/roothome')).toBe(
          '4\n755 0\n755 0\n755 0\n',
        );
      }
      expect(fs.readdirSync(container.path('/tmp'))).toEqual([]);
    });
  });

  test('may be made overlays: these are filled from where they lead', async () => {
    const check = (run: (script: string) => string) => {
      expect(run('/opt/app; echo dirt >/opt/dirt; ls /opt')).toBe('app\napp\ndirt\n');
      expect(run('ls /opt')).toBe('app\n');
    };
    await inContainer(makeRoot(usr, ...bootc), check, { overlays: ['/opt'] });
  });

  test('/etc of an OSTree commit is what it keeps in /usr/etc', async () => {
    const root = makeRoot(
      usr,
      'bin -> usr/bin',
      'usr/lib64 -> lib',
      'lib64 -> usr/lib',
      'usr/etc/passwd = app:x:1000:1000::/:',
    );
    fs.rmdirSync(join(root, 'etc'));
    await inContainer(root, (run) => {
      expect(run('cat /etc/passwd; echo dirt >/etc/dirt; ls /usr/etc', { MONOROOT_USER: '0' })).toBe(
        'app:x:1000:1000::/:\npasswd\n',
      );
      expect(run('ls /etc')).toBe('hostname\nhosts\npasswd\nresolv.conf\n');
    });
  });

  test('an image without /etc starts, and says so', async () => {
    const root = makeRoot(top, 'lib64 -> lib');
    fs.rmdirSync(join(root, 'etc'));
    await inContainer(root, (run) =>
      expect(run('ls /etc')).toBe(
        'hostname\nhosts\nresolv.conf\nmonoroot: warning: tiny:v1 has no /etc: it begins empty\n',
      ),
    );
  });

  test('files, and links to files, are there', async () => {
    const root = makeRoot(
      top,
      'lib64 -> lib',
      'entrypoint.sh = #!/bin/sh\necho "entered with $1"',
      'init -> bin/busybox',
      'start -> usr/local/bin/start.sh',
      'usr/local/bin/start.sh = #!/bin/sh\necho "started by $0"',
    );
    await inContainer(root, (run) => {
      expect(run('/entrypoint.sh nginx; /start')).toBe('entered with nginx\nstarted by /start\n');
      expect(run('/bin/busybox cmp /init /bin/busybox && echo same')).toBe('same\n');
    });
  });

  test('an image FROM scratch runs its program, as its user, and nothing else is in it', async () => {
    const root = fs.mkdtempSync(join(tmpdir(), 'monoroot-top-'));
    try {
      fs.copyFileSync(fs.existsSync('/bin/busybox') ? '/bin/busybox' : '/usr/bin/busybox', join(root, 'busybox'));
      await using container = await Container.create({ root, defaults: { command: ['/busybox'] } });
      for (let start = 0; start < 2; start++) {
        const ran = container.run(
          ['/busybox', 'sh', '-c', 'echo $(/busybox id -u) >/tmp/x; /busybox cat /tmp/x; /busybox ls -A /bin /usr'],
          {
            MONOROOT_USER: '65532:65532',
          },
        );
        expect([ran.status, ran.stdout]).toEqual([0, '65532\n/bin:\n\n/usr:\n']);
        expect(ran.stderr).toBe('monoroot: warning: tiny:v1 has no /etc: it begins empty\n');
      }
    } finally {
      fs.rmSync(root, { recursive: true });
    }
  });
});

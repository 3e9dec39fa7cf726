// hack/node hack/conformance/roots.ts [NAME ...]: real roots, made of Debian packages, in containers as the operator makes them for
// what the agent finds in them. Prints a table; the exit code is 1 when one of them does not do what it must. Takes root, mmdebstrap
// and a mirror of Debian: DEBIAN_MIRROR, or Debian's own.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { detectLayout, readTop } from '../../src/image/unpack/layout.ts';
import { Container } from '../../test/fixtures/scaffold.ts';

/** Without one, mmdebstrap takes the mirror that it has for the suite. */
const mirror = process.env['DEBIAN_MIRROR'];
const work = mkdtempSync(join(tmpdir(), 'monoroot-conformance-'));

/** A small Debian, with these packages besides. */
const debian =
  (suite: string, ...packages: string[]) =>
  (root: string) => {
    const settings = join(work, 'apt.conf');
    execFileSync('sh', [
      '-c',
      `apt-config dump | grep -E '^Acquire::(https?|Check-.*|Retries)(::.*)? "[^"]' >${settings} || true`,
    ]);
    const options = ['--quiet', '--mode=root', '--variant=minbase', `--aptopt=${settings}`, '--skip=check/empty'];
    if (packages.length > 0) options.push(`--include=${packages.join(',')}`);
    execFileSync(
      'mmdebstrap',
      [...options, suite, root, ...(mirror === undefined ? [] : [`deb ${mirror} ${suite} main`])],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  };

/** The files of packages alone, of the Debian that this machine is, unpacked into a root without the merge of /usr. */
const unpacked = (packages: string[], change: (root: string) => void) => (root: string) => {
  const down = mkdtempSync(join(work, 'packages-'));
  execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...packages], { cwd: down, stdio: 'ignore' });
  mkdirSync(root);
  for (const file of readdirSync(down)) execFileSync('dpkg-deb', ['--extract', join(down, file), root]);
  for (const directory of ['etc', 'var', 'tmp']) mkdirSync(join(root, directory), { recursive: true });
  change(root);
};

const applets = (root: string): void => {
  const bin = readdirSync(root).includes('bin') ? 'bin' : 'usr/bin';
  for (const name of ['sh', 'cat', 'ls', 'echo', 'head']) symlinkSync('busybox', join(root, bin, name));
};
/** The root of busybox:glibc of Docker: libraries in /lib, and /lib64 a link to it. */
const likeDocker = (root: string): void => {
  const lib = join(root, 'lib');
  mkdirSync(lib, { recursive: true });
  for (const path of ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'])
    for (const name of readdirSync(join(root, path), { withFileTypes: true }))
      if (/\.so/.test(name.name)) cpSync(join(root, path, name.name), join(lib, name.name), { verbatimSymlinks: true });
  rmSync(join(root, 'lib64'), { recursive: true, force: true });
  rmSync(join(lib, 'ld-linux-x86-64.so.2'), { force: true });
  execFileSync('cp', ['-L', '/lib64/ld-linux-x86-64.so.2', lib]);
  symlinkSync('lib', join(root, 'lib64'));
  applets(root);
};

interface Case {
  make: (root: string) => void;
  /** What a shell in the container must be able to do. */
  script: string;
  expected: RegExp;
}
const release = (suite: string): Case['expected'] => new RegExp(`VERSION_CODENAME=${suite}[^]*dpkg`);
const debianScript =
  'cat /etc/os-release && perl -e 1 && dpkg --version && apt-config dump >/dev/null && readlink -e /bin/sh';

const cases: Record<string, Case> = {
  bullseye: { make: debian('bullseye'), script: debianScript, expected: release('bullseye') },
  bookworm: { make: debian('bookworm'), script: debianScript, expected: release('bookworm') },
  trixie: { make: debian('trixie'), script: debianScript, expected: release('trixie') },
  'busybox-glibc': {
    make: unpacked(['busybox', 'libc6'], likeDocker),
    script: 'busybox | head -n 1; ls -d /lib64',
    expected: /BusyBox[^]*\/lib64/,
  },
  'busybox-static': { make: unpacked(['busybox-static'], applets), script: 'busybox | head -n 1', expected: /BusyBox/ },
  'bootc-like': {
    make: (root) => {
      debian('bookworm')(root);
      mkdirSync(join(root, 'var/opt/app'), { recursive: true });
      for (const [name, target] of [
        ['opt', 'var/opt'],
        ['home', 'var/home'],
        ['root', 'var/roothome'],
        ['srv', 'var/srv'],
      ] as const) {
        rmSync(join(root, name), { recursive: true });
        symlinkSync(target, join(root, name));
      }
      renameSync(join(root, 'etc'), join(root, 'usr/etc'));
    },
    script: 'ls -d /opt/app && cd /root && echo x >y && cat /var/roothome/y && head -n 1 /etc/passwd',
    expected: /\/opt\/app\nx\nroot:/,
  },
};

const wanted = process.argv.slice(2);
let failed = false;
try {
  for (const [name, { make, script, expected }] of Object.entries(cases)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const root = join(work, name);
    let [kind, answer] = ['', ''];
    try {
      make(root);
      const layout = detectLayout(await readTop(root));
      kind = `${layout.kind}, links ${(layout.links ?? []).map((it) => `${it.name}->${it.target}`).join(' ') || 'none'}`;
      await using container = await Container.create({ root });
      const { status, stdout, stderr } = container.run(['sh', '-c', script]);
      answer = status === 0 && expected.test(stdout) ? 'runs' : `FAILS with ${String(status)}: ${stdout}${stderr}`;
    } catch (error) {
      answer = `FAILS: ${String(error)}`;
    }
    failed ||= answer.startsWith('FAILS');
    console.log(`${name.padEnd(16)} ${answer.padEnd(6)} ${kind}`);
    rmSync(root, { recursive: true, force: true });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

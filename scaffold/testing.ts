// A hosted container without Kubernetes, for the tests of launch: the root that the scaffold images have, and the mounts of the
// Pod that the operator makes for what the agent finds in the image, made with unshare in a mount namespace that lives as long
// as the test.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { container as hostedContainer } from '../test/fixtures/builders.ts';
import { detectLayout, readTop } from '../src/image/unpack/layout.ts';
import type { UsableImage } from '../src/pod/usable-image.ts';
import { storeDirectory } from '../src/api/images.ts';
import { linkEnvironment, linkMounts } from '../src/pod/links.ts';
import { effectiveWritable, volumesOf } from '../src/pod/volumes.ts';

// What the operator leaves to a hosted container, and SYS_CHROOT for the way in.
const capabilities =
  '-all,+chown,+dac_override,+fowner,+fsetid,+kill,+net_bind_service,+setgid,+setuid,+setfcap,+sys_chroot';

/** Finds a static busybox, without which there is nothing to test with. */
const findBusybox = (): string | undefined =>
  ['/bin/busybox', '/usr/bin/busybox'].find(
    (path) => existsSync(path) && spawnSync('ldd', [path], { encoding: 'utf8' }).status !== 0,
  );

/** Says why containers cannot be made here, or undefined where they can. */
export const whyNoContainers = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status !== 0)
    return 'needs unshare(1) and its rights';
  if (spawnSync('setpriv', ['--bounding-set', capabilities, 'true']).status !== 0) return 'needs setpriv(1)';
  return findBusybox() === undefined ? 'needs a static busybox (Debian package busybox-static)' : undefined;
};

/** What a run of launch left. */
export interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
  terminationLog: string;
}

/** Process id, as the test sees it, of PID 1 of a started container. */
export const initOf = (container: ChildProcess): number => {
  const pid = String(container.pid);
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
};

/** What the operator reads of a failed run. */
export const failure = ({ status, terminationLog }: Run): { status: number | null; line: string } => ({
  status,
  line: terminationLog.split('\n')[0] ?? '',
});

export interface ContainerOptions {
  /** An OS image, as hack/osimages makes them. Without one the image is busybox, with a merged /usr. */
  bundle?: string;
  /** Makes or changes the image: gets the directory of its root. */
  image?: (root: string) => void;
  /** tmpfs options of a writable directory, by path. */
  mountOptions?: Record<string, string>;
  /** More writable directories than the usual. */
  overlays?: string[];
  /** The root of an image that is there already, instead of one that is made; it is left as it is. */
  root?: string;
  /** Directories of the host to mount, by path in the container. */
  volumes?: Record<string, string>;
  /** Replaces that of the bundle. */
  mountScript?: string;
  /** Capabilities that the container lacks, such as setfcap. */
  dropped?: string[];
  /** A network of its own, for services that listen. */
  network?: boolean;
}

/** A container whose overlays live on between runs, as those of a Pod do between container restarts. */
export class Container {
  readonly image: string;
  readonly #directory: string;
  readonly #root: string;
  readonly #holder: ChildProcess;
  readonly #options: ContainerOptions;
  readonly #layout: Record<string, string>;
  readonly #started: ChildProcess[] = [];

  private constructor(directory: string, holder: ChildProcess, shape: Shape, options: ContainerOptions) {
    this.#directory = directory;
    this.#holder = holder;
    this.#options = options;
    this.#layout = shape.env;
    this.image = shape.root;
    this.#root = join(directory, 'root');
  }

  /** Makes the container's mounts. Runs nothing in it yet. */
  static async create(options: ContainerOptions = {}): Promise<Container> {
    const directory = mkdtempSync(join(tmpdir(), 'monoroot-launch-'));
    const image = options.root ?? join(directory, 'image');
    if (options.bundle !== undefined) unpack(options.bundle, directory);
    else if (options.root === undefined) makeImage(image);
    options.image?.(image);
    const shape = await shapeOf(image, options.overlays ?? []);
    makeScaffold(join(directory, 'root'), shape.kind);
    const script = options.mountScript ?? (options.bundle && readFileSync(join(directory, 'mount.sh'), 'utf8'));
    if (script !== undefined) writeFileSync(join(directory, 'root/.monoroot/mount.sh'), script);
    const mounts = mountCommands(directory, shape, options).join('\n');
    const holder = spawn(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-ec', `${mounts}\necho ready\nexec cat`],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    const first = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')]);
    if (String(first[0]).trim() !== 'ready')
      throw new Error(`The mounts of a test container failed (exit ${String(first[0])})`);
    return new Container(directory, holder, shape, options);
  }

  /** Path of a file of the container as the test sees it. */
  path(inside: string): string {
    return `/proc/${String(this.#holder.pid)}/root${this.#root}${inside}`;
  }

  read(inside: string): string {
    return readFileSync(this.path(inside), 'utf8');
  }

  /** Runs launch as PID 1 to its end. */
  run(args: string[], env: Record<string, string> = {}): Run {
    this.#clearTerminationLog();
    const [program, ...rest] = this.#command(args, env);
    const done = spawnSync(program ?? '', rest, { encoding: 'utf8', env: this.#environment(env), timeout: 20_000 });
    return {
      status: done.status,
      stdout: done.stdout,
      stderr: done.stderr,
      terminationLog: this.read('/dev/termination-log'),
    };
  }

  /** Starts launch as PID 1 and returns at once. */
  start(args: string[], env: Record<string, string> = {}): ChildProcess {
    this.#clearTerminationLog();
    const [program, ...rest] = this.#command(args, env);
    const started = spawn(program ?? '', rest, { env: this.#environment(env) });
    this.#started.push(started);
    return started;
  }

  /** The command that the bundle names. */
  get command(): string[] {
    const bundle = JSON.parse(readFileSync(join(this.#directory, 'bundle.json'), 'utf8')) as {
      defaults?: { command?: string[] };
    };
    return bundle.defaults?.command ?? [];
  }

  /** Ends the mount namespace and removes all files. */
  async [Symbol.asyncDispose](): Promise<void> {
    const running = [this.#holder, ...this.#started].filter((it) => it.exitCode === null && it.signalCode === null);
    const gone = running.map((it) => once(it, 'exit'));
    for (const started of this.#started) started.kill('SIGKILL');
    this.#holder.stdin?.end();
    await Promise.all(gone);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #clearTerminationLog(): void {
    writeFileSync(this.path('/dev/termination-log'), '');
  }

  #environment(more: Record<string, string>): NodeJS.ProcessEnv {
    const rest = Object.fromEntries(Object.entries(more).filter(([name]) => !name.startsWith('LD_')));
    return {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/',
      MONOROOT_NAME: 'shop',
      MONOROOT_NAMESPACE: 'customers',
      MONOROOT_OS: 'tiny',
      MONOROOT_VERSION: 'v1',
      MONOROOT_ENVIRONMENT: 'staging',
      MONOROOT_DEFAULTS: '/.monoroot/defaults',
      ...this.#layout,
      ...rest,
    };
  }

  #command(args: string[], env: Record<string, string>): string[] {
    const target = ['nsenter', '--target', String(this.#holder.pid), '--mount'];
    const { dropped = [], network = false } = this.#options;
    const kept = capabilities.split(',').filter((capability) => !dropped.includes(capability.slice(1)));
    const isolate = ['unshare', '--pid', '--fork', '--kill-child', `--mount-proc=${this.#root}/proc`];
    if (network) isolate.push('--net');
    const confine = ['setpriv', '--no-new-privs', '--bounding-set', kept.join(','), 'chroot', this.#root];
    // Not for the programs of this machine on the way in, as all else may be.
    const loader = Object.entries(env).flatMap(([name, value]) => (name.startsWith('LD_') ? [`${name}=${value}`] : []));
    const launch = ['/.monoroot/busybox', 'env', ...loader, '/.monoroot/busybox', 'sh', '/.monoroot/launch'];
    return [...target, ...isolate, ...confine, ...launch, ...args];
  }
}

const makeImage = (root: string): void => {
  for (const dir of ['usr/bin', 'usr/share/zoneinfo/Australia', 'etc', 'var/tmp', 'var/lib', 'run', 'tmp']) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  copyFileSync(findBusybox() ?? '', join(root, 'usr/bin/busybox'));
  for (const applet of ['sh', 'id', 'env', 'cat', 'pwd', 'sleep', 'stat', 'true'])
    symlinkSync('busybox', join(root, 'usr/bin', applet));
  writeFileSync(join(root, 'usr/share/zoneinfo/Australia/Sydney'), 'TZif');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/srv/app:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\napp:x:1001:\nmedia:x:44:app,other\nlog:x:45:app\nops:x:46:\n');
  symlinkSync('usr/bin', join(root, 'bin'));
};

const unpack = (bundle: string, directory: string): void => {
  execFileSync('tar', ['--extract', '--xattrs', '--acls', '--numeric-owner', '-f', bundle, '-C', directory]);
  renameSync(join(directory, 'root'), join(directory, 'image'));
};

/** What the operator makes of an image. */
interface Shape extends ReturnType<typeof volumesOf> {
  /** Of the image. */
  root: string;
  kind: 'merged' | 'split';
  /** What launch has to know of it. */
  env: Record<string, string>;
}

const os = { os: 'tiny', version: 'v1' };

async function shapeOf(root: string, overlays: readonly string[]): Promise<Shape> {
  const layout = detectLayout(await readTop(root));
  const image: UsableImage = {
    ...os,
    digest: '',
    architecture: 'amd64',
    layout,
    defaults: {},
    writable: overlays.map((path) => ({ path, size: '16Mi' })),
    hasMountScript: false, // it is written beside launch
  };
  const container = hostedContainer({ image: 'tiny:v1' });
  const writable = effectiveWritable(container, image);
  const env = {
    MONOROOT_WRITABLE: writable.map(({ path }) => path).join(':'),
    ...linkEnvironment(linkMounts(layout, writable)),
  };
  return { root, kind: layout.kind, env, ...volumesOf(container, image) };
}

/** The root as scaffold/Dockerfile makes it. */
const makeScaffold = (root: string, kind: Shape['kind']): void => {
  execFileSync(join(import.meta.dirname, 'make-root'), [kind, root]);
  cpSync(join(import.meta.dirname, 'launch'), join(root, '.monoroot/launch'));
  cpSync(join(import.meta.dirname, 'lib'), join(root, '.monoroot/lib'), { recursive: true });
};

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** As the kubelet and the container runtime make them: those of fewest path parts first, missing mount points too. */
const mountCommands = (directory: string, shape: Shape, options: ContainerOptions): string[] => {
  const { mountOptions = {}, volumes = {} } = options;
  const root = join(directory, 'root');
  const depth = (path: string): number => path.split('/').length;
  const mounts = shape.mounts.toSorted((a, b) => depth(a.mountPath) - depth(b.mountPath));
  const memory = shape.volumes.filter(({ emptyDir }) => emptyDir);
  const sourceOf = (name: string): string => {
    const path = shape.volumes.find((it) => it.name === name)?.hostPath?.path;
    return path?.replace(`${storeDirectory(os)}/root`, shape.root) ?? `${directory}/volumes/${name}`;
  };
  return [
    `mount --bind ${root} ${root}`,
    `mount -t tmpfs -o mode=755 tmpfs ${root}/dev`,
    `touch ${root}/dev/null ${root}/dev/termination-log`,
    `chmod 666 ${root}/dev/termination-log`, // as the kubelet does
    `mount --bind /dev/null ${root}/dev/null`,
    ...memory.flatMap(({ name }) => {
      const { mountPath = '' } = mounts.find((it) => it.name === name && it.subPath === undefined) ?? {};
      const path = quote(`${directory}/volumes/${name}`);
      return [`mkdir -p ${path}`, `mount -t tmpfs -o mode=0777,${mountOptions[mountPath] ?? 'size=16m'} tmpfs ${path}`];
    }),
    ...mounts.flatMap(({ name, mountPath, subPath }) => {
      const source = quote(subPath === undefined ? sourceOf(name) : `${sourceOf(name)}/${subPath}`);
      const target = quote(`${root}${mountPath}`);
      return [
        ...(subPath === undefined ? [] : [`mkdir -p -m 777 ${source}`]),
        `if [ -d ${source} ]; then mkdir -p ${target}; else touch ${target}; fi`,
        `mount --bind ${source} ${target}`,
      ];
    }),
    ...['hosts', 'hostname', 'resolv.conf'].flatMap((name) => [
      `echo kubelet >${directory}/${name}`,
      `touch ${root}/etc/${name}`,
      `mount --bind ${directory}/${name} ${root}/etc/${name}`,
    ]),
    ...Object.entries(volumes).flatMap(([path, source]) => [
      `mkdir -p ${quote(root + path)}`,
      `mount --bind ${quote(source)} ${quote(root + path)}`,
    ]),
    `mount -o remount,bind,ro ${root}`,
    ...mounts.flatMap((it) => (it.readOnly ? [`mount -o remount,bind,ro ${quote(`${root}${it.mountPath}`)}`] : [])),
  ];
};

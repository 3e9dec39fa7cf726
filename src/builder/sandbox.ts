import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { sandboxMountPath } from '../api/buildrun.ts';
import { programEnvironment, startProgram } from '../system/programs.ts';
import { startUnpacking } from '../image/unpack/pipeline.ts';
import { placeInside } from '../system/rooted-path.ts';
import type { BuilderPorts, Chroot } from './ports.ts';

/**
 * Running programs of the tree in a container whose root is the tree. The container runtime gives it a /proc, which takes no right that
 * a build does not have. What runs there has neither Secrets nor processes of the build in sight: scripts go in and lines, the tree and
 * an exit code come out, through pipes that only the builder can make.
 */

/** Places of the container that the runtime mounts: of the tree they stay outside, and are there again afterwards. */
const outside = ['dev', 'proc', 'sys', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

/** Whether a container can have this root: in one whose /etc is a link, the runtime's own mounts are in the way. */
export async function fitsSandbox(root: string): Promise<boolean> {
  for (const name of ['dev', 'etc', 'proc', 'sys']) {
    const stat = await lstat(join(root, name)).catch(() => undefined);
    if (stat && !stat.isDirectory()) return false;
  }
  return true;
}

/** Moves the tree into the container, calls `use`, and takes the tree back, at the same place. When `use` throws, the tree is lost. */
export async function withSandbox<T>(
  root: string,
  env: Record<string, string | undefined>,
  { work, programs, signal }: BuilderPorts,
  directory: string,
  use: (chroot: Chroot) => Promise<T>,
): Promise<T> {
  const pipes = ['data', 'output', 'request'].map((name) => join(directory, name));
  for (const pipe of pipes) {
    if (!(await lstat(pipe).catch(() => undefined))) await programs.run(['mkfifo', pipe]);
  }
  const ask = (script: string, name: string, also = '') => {
    const end = randomBytes(16).toString('hex');
    const command = ['sh', '-c', client, 'sh', directory, end, root, also];
    return programs.run(command, { name, input: script.replaceAll('@END@', end) });
  };
  const aside = join(work, 'outside');
  await moveAll(root, aside);
  await ask(receive, 'moving the tree into the container of its programs', sending);
  await rm(root, { recursive: true });
  const result = await use({
    run: (command) => ask(running(command, env), command[0] ?? ''),
  });
  await mkdir(root);
  const stop = new AbortController();
  const unpacked = unpackFrom(join(directory, 'data'), root, AbortSignal.any([signal, stop.signal]));
  const sent = ask(send, 'taking the tree back from the container of its programs');
  // There is nothing to wait for when nothing is sent.
  sent.catch(() => stop.abort());
  await Promise.all([sent, unpacked]);
  await moveAll(aside, root);
  return result;
}

/** Moves what is outside of the container, from one tree to another. */
async function moveAll(from: string, to: string): Promise<void> {
  for (const path of outside) {
    const found = join(from, path);
    if (!(await lstat(found).catch(() => undefined))) continue;
    const place = await placeInside(to, `/${path}`);
    await rm(place, { recursive: true, force: true });
    await rename(found, place);
  }
}

/** What comes from there is like any archive of a stranger: it is unpacked in the jail of archives. */
async function unpackFrom(pipe: string, root: string, signal: AbortSignal): Promise<void> {
  const unpacking = await startUnpacking(root, undefined, signal);
  const reader = startProgram(['cat', pipe], { stdio: ['ignore', 'pipe', 'inherit'], signal });
  // `signal` itself reports an end by the signal.
  reader.on('error', () => undefined);
  for await (const piece of reader.stdout as Readable) await unpacking.write(piece as Uint8Array);
  await unpacking.finish();
}

/**
 * In the builder: sends the script and hands on what it writes. The last line has the exit code; without one the container has ended.
 * What runs there could write that line too, and would harm its own image alone.
 */
const client = String.raw`
[ "$4" = '' ] || eval "$4"
cat >"$1/request" && exec perl -e '
  $| = 1;
  my $end = shift;
  while (<STDIN>) { if (/^\Q$end\E ([0-9]+)$/) { $code = $1; last } print }
  exit $code if defined $code;
  print "The container in which programs of the tree run has ended: it may have taken more memory than resources.limits.memory\n";
  exit 137;
' "$2" <"$1/output"`;

const excluded = outside.map((path) => `--exclude=./${path}`).join(' ');
/** ACLs as attributes: those have numbers, where a text has names of whoever packs. */
const kept =
  "--format=posix --numeric-owner --xattrs --xattrs-include='user.*' --xattrs-include=security.capability --xattrs-include='system.posix_acl_*'";
const sending = `tar -C "$3" -c --sparse ${kept} --anchored --no-wildcards ${excluded} . >"$1/data" &`;

const pipe = (name: string) => `${sandboxMountPath}/${name}`;
/** GNU tar of the scaffold, with libraries of its own. */
const tools = '/.monoroot/tools';
const tar = `/.monoroot/busybox env -i ${tools}/ld.so --library-path ${tools} --inhibit-cache ${tools}/tar`;

/** Is in the container while it has the tree: one that was started again has none. */
const mark = '/.monoroot/has-tree';

/** Runs `body` in the container and tells how it ended, when nothing that it started is left. */
const request = (body: string) => `
exec 3>${pipe('output')}
( exec 3>&-; cd /; ${body} ) </dev/null >&3 2>&1
code=$?
kill -KILL -1 2>/dev/null
printf '\\n@END@ %s\\n' "$code" >&3
exec 3>&-
`;

/** What the image of the container has, or the tree before, goes; what is mounted stays. */
const receive = request(`
  for entry in * .[!.]* ..?*; do
    case $entry in .monoroot | dev | proc | sys) ;; etc) rm -rf etc/* etc/.[!.]* 2>/dev/null ;; *) rm -rf "./$entry" ;; esac
  done
  ${tar} -x -p --same-owner ${kept} <${pipe('data')} && : >${mark}
`);
const inTree = (body: string) => `if [ -e ${mark} ]; then${request(body)}else : >${pipe('output')}; fi`;
const send = inTree(
  `${tar} -c --sparse ${kept} --anchored --no-wildcards ${excluded} --exclude=./.monoroot . >${pipe('data')}`,
);

function running(command: readonly string[], env: Record<string, string | undefined>): string {
  const merged: Record<string, string | undefined> = { ...programEnvironment, ...env };
  const all = Object.entries(merged).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return inTree(`exec /.monoroot/busybox env -i ${[...all, ...command].map(quote).join(' ')}`);
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { loadAll } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { jailed } from './jail.ts';
import type { Jail } from './jail.ts';
import { programEnvironment } from './programs.ts';
import { rootEntries, tar } from '../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../test/fixtures/agent/environment.ts';
import { manifestOf } from '../../test/fixtures/agent/manifest.ts';

const unable =
  whyNoUnpacking() ??
  (['setpriv', 'perl', 'gcc'].some((it) => spawnSync('which', [it]).status !== 0)
    ? 'needs setpriv, perl and gcc'
    : undefined);

interface DaemonSet {
  spec: { template: { spec: { containers: { securityContext: { capabilities: { add: string[] } } }[] } } };
}
const deployed = join(import.meta.dirname, '../../deploy/agent.yaml');
const [agent] = loadAll(readFileSync(deployed, 'utf8')) as DaemonSet[];
const granted = agent?.spec.template.spec.containers[0]?.securityContext.capabilities.add ?? [];

/** The version of Landlock, without which programs could open files of the node; 0 where the kernel has none. */
const landlock = spawnSync('perl', ['-e', 'my $abi = syscall(444, 0, 0, 1); exit($abi > 0 ? $abi : 0)']).status ?? 0;

/** Runs a command as on a kernel that has no Landlock. */
const withoutLandlock = [
  'perl',
  '-e',
  String.raw`
    my $filter = pack 'SCCL' x 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444, 0x06, 0, 0, 0x50026, 0x06, 0, 0, 0x7fff0000;
    my $program = pack 'S x6 P', 4, $filter;
    syscall(SECCOMP, 1, 0, $program) == 0 or die "no filter: $!";
    exec @ARGV or die "$ARGV[0]: $!"`.replace('SECCOMP', process.arch === 'arm64' ? '277' : '317'),
];

const mebibyte = 1024 * 1024;

interface Ended {
  code: number | null;
  output: string;
  complaint: string;
}

/** Runs a program in a jail, started by somebody with the rights of the deployed agent. */
async function run(
  command: string[],
  jail: Jail,
  { input = Buffer.alloc(0), by = [] }: { input?: Buffer; by?: string[] } = {},
): Promise<Ended> {
  const list = ['-all', ...granted.map((it) => `+${it.toLowerCase()}`)].join(',');
  const rights = ['--no-new-privs', '--inh-caps=-all', `--bounding-set=${list}`, '--'];
  const child = spawn('setpriv', [...rights, ...by, ...jailed(command, jail)], { env: programEnvironment });
  child.stdin.on('error', () => undefined).end(input);
  const ended = { output: '', complaint: '' };
  const read = async (stream: Readable, what: keyof typeof ended) => {
    for await (const piece of stream) ended[what] += String(piece);
  };
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [code] = await Promise.all([closed, read(child.stdout, 'output'), read(child.stderr, 'complaint')]);
  return { code, ...ended };
}

/** Compiles the program that tries to escape; its attempts are its lines, each with what came of it. */
function compile(directory: string): string {
  const program = join(directory, 'escape');
  const source = join(import.meta.dirname, '../../test/fixtures/agent/escape.c');
  execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-o', program, source]);
  return program;
}

/** A directory of the node with something to read and change, and a root in it. */
function scene() {
  const directory = temporaryDirectory();
  const [outside, root] = [join(directory, 'outside'), join(directory, 'root')];
  for (const path of [outside, root, join(outside, 'sub')]) mkdirSync(path);
  writeFileSync(join(outside, 'file'), 'secret', { mode: 0o600 });
  return { directory, outside, root, everything: () => manifestOf(outside) };
}

/** Where programs may be: nothing can be run from elsewhere. */
async function installed(directory: string, use: (program: string) => Promise<void>): Promise<void> {
  const program = `/usr/local/bin/monoroot-escape-${process.pid}`;
  execFileSync('install', [compile(directory), program]);
  try {
    await use(program);
  } finally {
    execFileSync('rm', ['-f', program]);
  }
}

const reading = ['reading outside (Landlock)', 'listing outside (Landlock)'];
/** Some kernels refuse it to whoever has fewer capabilities than that process, also without Landlock. */
const ofTheAgent = 'the token of the agent (Landlock)';
const processes = ['fork', 'signal to the parent'];
const making = ['writing outside', 'emptying outside', 'removing outside', 'a new file outside'];

/** What each work may do besides what it is for; and what only Landlock keeps it from. */
const kinds = [
  { work: 'filter' as const, may: [], beyond: reading },
  { work: 'look' as const, may: [], beyond: reading },
  { work: 'sort' as const, may: [], beyond: [...reading, ...making] },
  { work: 'read' as const, may: [], beyond: reading },
  // Of its capabilities it may drop more.
  { work: 'inspect' as const, may: [...processes, 'attributes of the process'], beyond: [...reading, ...making] },
  { work: 'remove' as const, may: processes, beyond: [...reading, 'removing outside'] },
];

function jailOf(work: (typeof kinds)[number]['work'], tree: string, directory: string): Jail {
  const scratch = join(directory, 'scratch');
  mkdirSync(scratch, { recursive: true });
  const common = { memoryBytes: 64 * mebibyte, programs: [] };
  switch (work) {
    case 'filter':
      return { work, ...common };
    case 'look':
    case 'read':
    case 'remove':
      return { work, directory: tree, ...common };
    case 'sort':
      return { work, directory: scratch, ...common };
    case 'inspect':
      return { work, directory: tree, scratch, ...common };
  }
}

const lines = ({ output }: Ended) => output.split('\n').filter((line) => line !== '');

describe.skipIf(unable)(unable ? `a jail (skipped: ${unable})` : 'a jail', { timeout: 120_000 }, () => {
  test('lets programs do their work', async () => {
    const { root } = scene();
    const archive = tar(rootEntries());
    const unpack = ['bsdtar', '-x', '-p', '-f', '-', '--numeric-owner', '--chroot'];
    const restored = await run(unpack, { work: 'restore', root, memoryBytes: 64 * mebibyte }, { input: archive });
    expect(restored).toEqual({ code: 0, output: '', complaint: '' });
    expect(statSync(join(root, 'usr/bin/hello')).mode & 0o7777).toBe(0o4755);
    for (const program of ['zstd', 'gzip', 'xz']) {
      const input = execFileSync(program, ['-c'], { input: archive, stdio: ['pipe', 'pipe', 'ignore'] });
      const jail: Jail = { work: 'filter', memoryBytes: 64 * mebibyte };
      expect(await run([program, '-dcq'], jail, { input })).toMatchObject({ code: 0, output: archive.toString() });
    }
  });

  test('keeps a program that restores a tree in its root, with all that the agent has', async () => {
    const { directory, outside, root, everything } = scene();
    const before = everything();
    const ended = await run([compile(directory), 'restore', outside], {
      work: 'restore',
      root,
      memoryBytes: 64 * mebibyte,
    });
    const attempts = lines(ended);
    expect(attempts.filter((line) => !line.startsWith('held: '))).toEqual([]);
    expect(attempts.length).toBeGreaterThan(25);
    expect(everything()).toEqual(before);
    // What it may do it did, and in its root.
    expect(readdirSync(root)).toContain('inside');
  });

  test('is what keeps it: outside of one the same program gets out', () => {
    const { directory, outside, root } = scene();
    const list = ['-all', ...granted.map((it) => `+${it.toLowerCase()}`)].join(',');
    const rights = ['--no-new-privs', '--inh-caps=-all', `--bounding-set=${list}`, '--'];
    const program = compile(directory);
    const free = (what: string) =>
      spawnSync('setpriv', [...rights, program, what, outside], { cwd: root, encoding: 'utf8' }).stdout;
    for (const way of ['chroot', 'fork', 'socket of the internet']) expect(free('filter')).toContain(`OUT: ${way}`);
    for (const way of ['reading outside', 'mode outside', 'removing outside', 'a new file outside']) {
      expect(free('files')).toContain(`OUT: ${way}`);
      writeFileSync(join(outside, 'file'), 'secret');
      execFileSync('rm', ['-rf', join(outside, 'evil')]);
    }
  });

  describe.each(kinds)('of the work $work', ({ work, may, beyond }) => {
    test.each([
      { kernel: 'this kernel', by: [], opens: landlock > 0 ? [] : beyond },
      { kernel: 'a kernel without Landlock', by: withoutLandlock, opens: beyond },
    ])('keeps a program from all else on $kernel', async ({ by, opens }) => {
      const { directory, outside, root, everything } = scene();
      const before = everything();
      const scoped = landlock >= 6 && by.length === 0;
      const expected = [...may.filter((it) => !scoped || it !== 'signal to the parent'), ...opens];
      await installed(directory, async (program) => {
        const ended = await run([program, work, outside], jailOf(work, root, directory), { by });
        expect(ended.complaint).toBe('');
        const attempts = lines(ended);
        const ways = attempts
          .filter((line) => !line.startsWith('held: '))
          .map((line) => /^OUT: (.*) \(done\)$/.exec(line)?.[1]);
        const known = ways.filter((way) => way !== ofTheAgent || opens.length === 0);
        expect(known.toSorted()).toEqual(expected.toSorted());
        expect(attempts.length).toBeGreaterThan(40);
      });
      if (opens.every((way) => reading.includes(way))) expect(everything()).toEqual(before);
    });
  });

  test.each([
    { kernel: 'this kernel', by: [] },
    { kernel: 'a kernel without Landlock', by: withoutLandlock },
  ])('lets programs that look, sort and remove do their work on $kernel', async ({ by }) => {
    const { directory, root } = scene();
    writeFileSync(join(root, 'file'), 'content', { mode: 0 });
    mkdirSync(join(root, 'closed/in it'), { recursive: true });
    execFileSync('chown', ['-R', '1000:1000', join(root, 'closed')]);
    execFileSync('chmod', ['0000', join(root, 'closed')]);
    execFileSync('setfattr', ['-h', '-n', 'user.note', '-v', 'here', join(root, 'file')]);
    const look = jailOf('look', root, directory);
    const found = await run(['find', root, '-mindepth', '1', '-printf', '%P '], look, { by });
    expect(found).toMatchObject({ code: 0, complaint: '' });
    expect(
      found.output
        .trim()
        .split(/ (?=closed|file)/)
        .toSorted(),
    ).toEqual(['closed', 'closed/in it', 'file']);
    const attributes = await run(['getfattr', '-R', '-h', '-d', '--absolute-names', '--', root], look, { by });
    expect(attributes).toMatchObject({ code: 0, output: expect.stringContaining('user.note="here"') as string });

    const scratch = join(directory, 'scratch');
    const many = Array.from({ length: 200_000 }, (_, index) => `${(index * 7919) % 200_000}`.padStart(6, '0'));
    const sort = ['sort', '--parallel=1', '-S', '1M', '-T', scratch];
    const input = Buffer.from(`${many.join('\n')}\n`);
    const sorted = await run(sort, jailOf('sort', root, directory), { by, input });
    expect(sorted).toMatchObject({ code: 0, complaint: '' });
    expect(sorted.output === `${many.toSorted().join('\n')}\n`).toBe(true);
    // As the program that inspects an image starts it.
    const inside = jailed(sort, jailOf('sort', root, directory));
    const again = await run(inside, jailOf('inspect', root, directory), { by, input });
    expect({ ...again, output: again.output === sorted.output }).toEqual({ code: 0, complaint: '', output: true });

    const removing: Jail = { work: 'remove', directory, memoryBytes: 64 * mebibyte };
    expect(await run(['rm', '-rf', '--', root], removing, { by })).toEqual({ code: 0, output: '', complaint: '' });
    expect(readdirSync(directory).toSorted()).toEqual(['outside', 'scratch']);
  });

  test('has a limit of memory', async () => {
    const { directory, root } = scene();
    const jail: Jail = { work: 'restore', root, memoryBytes: 64 * mebibyte };
    const ended = await run([compile(directory), 'memory', root], jail);
    expect(lines(ended).filter((line) => !line.startsWith('held: '))).toEqual([]);
    expect(lines(ended)).toHaveLength(1);
  });

  test('says so when it cannot be had, and runs nothing', async () => {
    const { directory, root } = scene();
    const missing = join(directory, 'nowhere');
    const jail: Jail = { work: 'restore', root: missing, memoryBytes: 64 * mebibyte };
    expect((await run(['bsdtar', '-tf', '-'], jail)).complaint).toMatch(/^jail: .*nowhere cannot be the root: No such/);
    const there: Jail = { work: 'restore', root, memoryBytes: 64 * mebibyte };
    expect(await run(['no-such-program'], there)).toMatchObject({
      code: 126,
      complaint: expect.stringMatching(/^jail: no-such-program cannot be run: No such file/) as string,
    });
  });
});

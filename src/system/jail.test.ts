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

/** Landlock, without which programs that only filter could read files of the node. */
const hasLandlock = spawnSync('perl', ['-e', 'exit(syscall(444, 0, 0, 1) > 0 ? 0 : 1)']).status === 0;

const mebibyte = 1024 * 1024;

interface Ended {
  code: number | null;
  output: string;
  complaint: string;
}

/** Runs a program in a jail, started by somebody with the rights of the deployed agent. */
async function run(command: string[], jail: Jail, input: Buffer = Buffer.alloc(0)): Promise<Ended> {
  const list = ['-all', ...granted.map((it) => `+${it.toLowerCase()}`)].join(',');
  const rights = ['--no-new-privs', '--inh-caps=-all', `--bounding-set=${list}`, '--'];
  const child = spawn('setpriv', [...rights, ...jailed(command, jail)], { env: programEnvironment });
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

const lines = ({ output }: Ended) => output.split('\n').filter((line) => line !== '');

describe.skipIf(unable)(unable ? `a jail (skipped: ${unable})` : 'a jail', { timeout: 60_000 }, () => {
  test('lets programs do their work', async () => {
    const { root } = scene();
    const archive = tar(rootEntries());
    const unpack = ['bsdtar', '-x', '-p', '-f', '-', '--numeric-owner', '--chroot'];
    const restored = await run(unpack, { work: 'restore', root, memoryBytes: 64 * mebibyte }, archive);
    expect(restored).toEqual({ code: 0, output: '', complaint: '' });
    expect(statSync(join(root, 'usr/bin/hello')).mode & 0o7777).toBe(0o4755);
    for (const program of ['zstd', 'gzip', 'xz']) {
      const input = execFileSync(program, ['-c'], { input: archive, stdio: ['pipe', 'pipe', 'ignore'] });
      const jail: Jail = { work: 'filter', memoryBytes: 64 * mebibyte };
      expect(await run([program, '-dcq'], jail, input)).toMatchObject({ code: 0, output: archive.toString() });
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

  test('keeps a program that only filters from everything but its input and output', async () => {
    const { directory, outside, everything } = scene();
    const before = everything();
    // Where programs may be: nothing can be run from elsewhere.
    const program = `/usr/local/bin/monoroot-escape-${process.pid}`;
    execFileSync('install', [compile(directory), program]);
    try {
      const ended = await run([program, 'filter', outside], { work: 'filter', memoryBytes: 64 * mebibyte });
      const attempts = lines(ended).filter((line) => hasLandlock || !line.includes('(Landlock)'));
      expect(attempts.filter((line) => !line.startsWith('held: '))).toEqual([]);
      expect(attempts.length).toBeGreaterThan(20);
      expect(everything()).toEqual(before);
    } finally {
      execFileSync('rm', ['-f', program]);
    }
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

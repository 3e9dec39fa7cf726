import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { build } from 'esbuild';
import { load } from 'js-yaml';
import { z } from 'zod';
import type { WantedImage } from '../../api/nodestore.ts';
import { parseQuantity } from '../../api/kubernetes/quantity.ts';
import { programEnvironment, readLines } from '../../system/programs.ts';
import { tarPieces } from './archive.ts';
import type { TarEntry } from './archive.ts';
import { wantedImage } from './images.ts';
import type { LimitsLife, LimitsStep } from './limits-life.ts';

/** How agents are run: by `deploy/agent.yaml`. */
export interface Deployed {
  /** Flags of Node. */
  flags: string[];
  memoryBytes: number;
}

const daemonSet = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({ command: z.array(z.string()), resources: z.object({ limits: z.object({ memory: z.string() }) }) }),
        ),
      }),
    }),
  }),
});

export function readDeployed(): Deployed {
  const file = join(import.meta.dirname, '../../../deploy/agent.yaml');
  const [container] = daemonSet.parse(load(readFileSync(file, 'utf8'))).spec.template.spec.containers;
  const memoryBytes = parseQuantity(container?.resources.limits.memory ?? '');
  const flags = container?.command.filter((word) => word.startsWith('--'));
  if (!flags?.some((flag) => flag.startsWith('--max-old-space-size=')) || memoryBytes === undefined) {
    throw new Error(`${file} has no limit of the heap or of the memory`);
  }
  return { flags, memoryBytes };
}

/** Makes one file of the program `limits-life.ts`, and one of what it runs. */
export async function bundleLimits(directory: string): Promise<string> {
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  await build({
    entryPoints: {
      life: join(import.meta.dirname, 'limits-life.ts'),
      digest: join(import.meta.dirname, '../../cmd/digest.ts'),
    },
    outdir: directory,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);" },
    logLevel: 'warning',
  });
  return join(directory, 'life.js');
}

/** Writes a tar archive of any size, compressed with zstd. */
export async function writeArchive(file: string, entries: Iterable<TarEntry>): Promise<void> {
  const child = spawn('zstd', ['-q', '-1', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const pieces = Readable.from(joined(tarPieces(entries)));
  await Promise.all([pipeline(pieces, child.stdin), pipeline(child.stdout, createWriteStream(file))]);
}

function* joined(pieces: Iterable<Buffer>): Generator<Buffer> {
  let some: Buffer[] = [];
  for (const piece of pieces) {
    some.push(piece);
    if (some.length < 1000) continue;
    yield Buffer.concat(some);
    some = [];
  }
  yield Buffer.concat(some);
}

/** Serves files on a free port of this machine, and gives what is to be wanted: a version for each, until `stop`. */
export async function serveArchives(files: readonly string[]) {
  const server = createServer((request, response) => {
    createReadStream(files[Number(request.url?.slice(1))] ?? '').pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const images: WantedImage[] = [];
  for (const [index, file] of files.entries()) {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
    const sha256 = hash.digest('hex');
    const source = { http: { url: `${origin}/${index}`, sha256 } };
    images.push(wantedImage(`v${index + 1}`, { digest: `sha256:${sha256}`, source, timeoutSeconds: 3_000 }));
  }
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { images, stop };
}

export interface LimitsResult {
  steps: LimitsStep[];
  /** Whether it came to its end. */
  ended: boolean;
  stderr: string;
  /** Most of the memory that all its processes took, without the page cache; undefined where the kernel does not tell. */
  peakBytes: number | undefined;
}

/** Runs an agent as it is deployed, within the memory that it has there, where the kernel lets us limit it. */
export async function runLimits(
  program: string,
  life: LimitsLife,
  { flags, memoryBytes }: Deployed,
): Promise<LimitsResult> {
  // A disk in memory would count; what the processes take is measured there all the same.
  const isMemory = statfsSync(join(life.root, '..')).type === tmpfs;
  const group = memoryGroup(isMemory ? undefined : memoryBytes);
  const enter = group ? `echo $$ >'${group.path}/cgroup.procs'; ` : '';
  const child = spawn(
    'sh',
    ['-c', `${enter}exec "$@"`, 'sh', process.execPath, ...flags, program, JSON.stringify(life)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: programEnvironment,
    },
  );
  const steps: LimitsStep[] = [];
  let stderr = '';
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, group?.taken() ?? 0)), 20);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  try {
    const [code] = await Promise.all([
      ended,
      readLines(child.stdout, (line) => steps.push(JSON.parse(line) as LimitsStep)),
      readLines(child.stderr, (line) => (stderr += `${line}\n`)),
    ]);
    return { steps, ended: code === 0, stderr, peakBytes: group && peak };
  } finally {
    clearInterval(timer);
    await group?.remove();
  }
}

const tmpfs = 0x01021994;
let groups = 0;

/** A group of processes, perhaps with a limit of memory; undefined where none can be made. */
function memoryGroup(
  bytes: number | undefined,
): { path: string; taken: () => number; remove: () => Promise<void> } | undefined {
  const isOld = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const path = join(isOld ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', `monoroot-${process.pid}-${++groups}`);
  try {
    mkdirSync(path);
    if (bytes !== undefined) writeFileSync(join(path, isOld ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
  } catch {
    if (existsSync(path)) rmdirSync(path);
    return undefined;
  }
  const anonymous = isOld ? /^total_rss (\d+)$/m : /^anon (\d+)$/m;
  const taken = () => Number(anonymous.exec(readFileSync(join(path, 'memory.stat'), 'utf8'))?.[1]);
  const remove = async () => {
    for (const deadline = Date.now() + 20_000; ;) {
      // What an agent that died has left behind.
      const left = readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
      for (const pid of left) tryTo(() => process.kill(Number(pid), 'SIGKILL'));
      const gone = tryTo(() => {
        rmdirSync(path);
      });
      if (gone) return;
      if (Date.now() > deadline) throw new Error(`${path} is still in use`);
      await setTimeout(20);
    }
  };
  return { path, taken, remove };
}

function tryTo(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

// Stores, counts, verifies and removes two versions of an image at each documented limit (docs/operations.md), with the agent's
// own code, in a process with the flags and within the memory of deploy/agent.yaml. Prints for each the most memory that all its
// processes took (without the page cache), the longest delay of the event loop, and times; fails when one is not stored, shared,
// found unchanged and removed, when the agent dies, or when the p99.9 of all delays is 100 ms or more.
// Needs root, and some 15 GB of disk. Usage: hack/bench/limits [--cases entries,names] [--scale 0.1] [--directory /var/tmp]
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { binaryDirectory } from '../../test/fixtures/binaries.ts';
import { maxEntries } from '../../src/image/disk/limits.ts';
import { bundleLife } from '../../test/fixtures/agent/bundle.ts';
import { rootEntries, tar } from '../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../test/fixtures/agent/archive.ts';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import type { LimitsLife, LimitsStep } from '../../test/fixtures/agent/limits-life.ts';
import { readDeployed, runLimits, serveArchives, writeArchive } from '../../test/fixtures/agent/limits.ts';
import type { LimitsResult } from '../../test/fixtures/agent/limits.ts';
import { pushImage, startRegistry } from '../../test/fixtures/agent/registry.ts';
import { printTable } from './lib.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/limits',
  does: 'Images at the documented limits, through an agent with the flags and the memory of deploy/agent.yaml.',
};
const options = readOptions(about, {
  cases: { type: 'string' },
  scale: { type: 'string', default: '1' },
  directory: { type: 'string', default: '/var/tmp' },
});
const scale = Number(options.scale);
const scaled = (count: number) => Math.round(count * scale);
const versions = [1, 2];
const mostDelay = 100;

/** Makes the files with what is wanted, in a directory of its own. */
type Make = (directory: string) => Promise<Pick<LimitsLife, 'images'> & { stop: () => Promise<void> }>;

const file = (name: string, content: string): TarEntry => ({ name, content });
const numbered = (number: number) => String(number).padStart(7, '0');

/** Archives of one kind, on a web server; versions differ in one file. */
const archives =
  (entries: (version: number) => Iterable<TarEntry>): Make =>
  async (directory) => {
    const files = versions.map((version) => join(directory, `v${version}.tar.zst`));
    for (const [index, path] of files.entries()) await writeArchive(path, withRoot(entries(index + 1), index + 1));
    return serveArchives(files);
  };

function* withRoot(entries: Iterable<TarEntry>, version: number): Generator<TarEntry> {
  yield* rootEntries();
  yield file('usr/version', String(version));
  yield* entries;
}

/** Directories of a thousand files each. */
function* ordinary(count: number, content: (number: number) => string): Generator<TarEntry> {
  for (let i = 0, made = 0; made < count; i++) {
    const directory = `usr/share/${numbered(i - (i % 1000))}`;
    if (i % 1000 === 0) {
      yield { name: `${directory}/`, type: 'directory' };
      made += 1;
    }
    yield file(`${directory}/a-name-of-ordinary-length-${numbered(i)}`, content(i));
    made += 1;
  }
}

function* longNames(count: number): Generator<TarEntry> {
  for (let i = 0; i < count; i++) yield file(`usr/share/${numbered(i)}${'n'.repeat(240)}`, '');
}

function* directories(count: number): Generator<TarEntry> {
  for (let i = 0; i < count; i++) {
    if (i % 1000 === 0) yield { name: `usr/share/${numbered(i)}/`, type: 'directory' };
    yield { name: `usr/share/${numbered(i - (i % 1000))}/${numbered(i)}/`, type: 'directory' };
  }
}

/** As deep as the longest path that the store takes. */
function* deepPaths(count: number): Generator<TarEntry> {
  for (let i = 0; i < count; i++) {
    let path = `usr/${i}`;
    yield { name: `${path}/`, type: 'directory' };
    while (path.length < 3_900) {
      path += '/d';
      yield { name: `${path}/`, type: 'directory' };
    }
    yield file(`${path}/file`, `deep ${i}`);
  }
}

/** As many names for one file as ext4 lets it have. */
function* names(count: number): Generator<TarEntry> {
  yield file('usr/first', 'one file with many names');
  for (let i = 1; i < count; i++) yield { name: `usr/share/${numbered(i)}`, type: 'hardlink', link: 'usr/first' };
}

/** 40 GB of nothing but a few bytes in the middle, and files with attributes, as GNU tar packs them. */
const packed =
  (script: string): Make =>
  async (directory) => {
    const files = versions.map((version) => {
      const tree = join(directory, `tree${version}`);
      execFileSync('sh', [
        '-ec',
        `mkdir -p '${tree}/usr/bin' '${tree}/etc'; cd '${tree}'; ln -s usr/bin bin; ${script}; echo ${version} >usr/version`,
      ]);
      const path = join(directory, `v${version}.tar.zst`);
      execFileSync('sh', [
        '-ec',
        `tar -cS --xattrs --format=pax -C '${tree}' . | zstd -q -1 >'${path}'; rm -rf '${tree}'`,
      ]);
      return path;
    });
    return serveArchives(files);
  };

const layers =
  (count: number): Make =>
  async (directory) => {
    const registry = await startRegistry(binaryDirectory(), directory);
    const images = [];
    for (const version of versions) {
      const upper = Array.from({ length: count - 1 }, (_, i) =>
        tar([file(`usr/layer-${i}`, `${i}`), file('usr/top', `${i}`)]),
      );
      const bottom = tar([...withRoot([], version)]);
      const digest = await pushImage(registry.host, `limits/v${version}`, { layers: [bottom, ...upper] });
      const oci = { reference: `${registry.host}/limits/v${version}`, digest, plainHTTP: true };
      images.push(desiredImage(`v${version}`, { digest, source: { oci }, timeoutSeconds: 3_000 }));
    }
    return { images, stop: registry.stop };
  };

/** All that is remembered of an archive while it is read: links, and directories that are in the layer below. */
function* remembered(count: number): Generator<TarEntry> {
  for (let i = 0; i < count / 4; i++) yield { name: `usr/directories/${numbered(i)}/`, type: 'directory' };
  for (let i = 0; i < count; i++)
    yield { name: `usr/share/${numbered(i)}${'n'.repeat(40)}`, type: 'symlink', link: `../target-${numbered(i)}` };
}

const twoLayers =
  (count: number): Make =>
  async (directory) => {
    const registry = await startRegistry(binaryDirectory(), directory);
    const images = [];
    for (const version of versions) {
      const layers = [tar([...withRoot(remembered(count), version)]), tar([...remembered(count)])];
      const digest = await pushImage(registry.host, `limits/v${version}`, { layers });
      const oci = { reference: `${registry.host}/limits/v${version}`, digest, plainHTTP: true };
      images.push(desiredImage(`v${version}`, { digest, source: { oci }, timeoutSeconds: 3_000 }));
    }
    return { images, stop: registry.stop };
  };

const cases: Record<string, { what: string; make: Make }> = {
  entries: {
    what: `${scaled(maxEntries)} files and directories`,
    // Those of the root count, too.
    make: archives(() => ordinary(scaled(maxEntries) - 20, (i) => `content ${i}`)),
  },
  names: { what: `${scaled(350_000)} names in one directory`, make: archives(() => longNames(scaled(350_000))) },
  alike: {
    what: `${scaled(100_000)} files that look the same, each another in the second version`,
    make: archives((version) => ordinary(scaled(100_000), (i) => numbered(version === 1 ? i : scaled(100_000) - i))),
  },
  directories: { what: `${scaled(300_000)} directories`, make: archives(() => directories(scaled(300_000))) },
  holes: {
    what: 'holes of 40 GB, with and without data',
    make: packed(
      `truncate -s 40G usr/empty usr/hole; printf data | dd of=usr/hole bs=1 seek=20G conv=notrunc status=none`,
    ),
  },
  deep: { what: `${scaled(10)} paths of 3,900 bytes`, make: archives(() => deepPaths(scaled(10))) },
  links: { what: `${scaled(64_000)} names for one file`, make: archives(() => names(scaled(64_000))) },
  attributes: {
    what: `${scaled(50_000)} files with attributes`,
    make: packed(`seq ${scaled(50_000)} | (cd usr/bin; xargs touch; ls | xargs setfattr -n user.it -v 1)`),
  },
  layers: { what: '256 layers', make: layers(256) },
  remembered: {
    what: `two layers with the same ${scaled(100_000)} links and ${scaled(25_000)} directories`,
    make: twoLayers(scaled(100_000)),
  },
};

/** What is wrong with a result; undefined when it is as it must be. */
function problemOf({ steps, ended, stderr }: LimitsResult): string | undefined {
  if (!ended) return `the agent died: ${stderr.slice(-300)}`;
  const bad = steps.find(({ step, outcome }) =>
    step.startsWith('store') ? !/^\d+ files/.test(outcome) : /^(read|look)/.test(step) && outcome !== 'unchanged',
  );
  if (bad) return `${bad.step}: ${bad.outcome}`;
  const p999 = steps.at(-1)?.soFar.p999 ?? 0;
  return p999 < mostDelay ? undefined : `p99.9 of the event loop's delays was ${p999} ms`;
}

// A disk of its own, with a journal: what is left of millions of files goes with it in a moment.
const place = mkdtempSync(join(options.directory, 'monoroot-limits-'));
const directory = join(place, 'mounted');
execFileSync('sh', [
  '-ec',
  `truncate -s 40G "$1/disk"; mkfs.ext4 -q -F -N 5000000 -E lazy_itable_init=1,nodiscard "$1/disk"
   mkdir "$1/mounted"; mount -o loop,noinit_itable "$1/disk" "$1/mounted"`,
  'sh',
  place,
]);
const rows = [
  [
    '',
    'MiB',
    'longest ms',
    'p99.9 ms',
    'own longest',
    'own p99.9',
    'idle p99.9',
    'store v1 s',
    'store v2 s',
    'look s',
    'read s',
    'remove s',
  ],
];
let failed = false;
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => {
    stop.abort(new Error(`Ended by ${name}`));
  });
try {
  await Promise.race([measureAll(), aborted(stop.signal)]);
} catch (error) {
  if (!stop.signal.aborted) throw error;
  failed = true;
  console.error(String(stop.signal.reason));
} finally {
  execFileSync('sh', ['-c', 'umount -l "$1/mounted"; rm -rf --one-file-system "$1"', 'sh', place]);
}
printTable(rows);
console.log(JSON.stringify({ bench: 'limits', passed: !failed, scale }));
// What an end by a signal has left undone must not keep the program.
process.exit(failed ? 1 : 0);

async function measureAll(): Promise<void> {
  const program = await bundleLife(directory, 'limits-life.ts');
  const deployed = readDeployed();
  console.log(`${deployed.flags.join(' ')}, ${deployed.memoryBytes / 2 ** 20} MiB`);
  for (const name of options.cases?.split(',') ?? Object.keys(cases)) {
    const it = cases[name];
    if (!it) throw new Error(`${name} is no case: there are ${Object.keys(cases).join(', ')}`);
    const own = join(directory, name);
    await mkdir(own);
    const { images, stop: stopServer } = await it.make(own);
    const root = join(own, 'monoroot');
    const life: LimitsLife = {
      root,
      images,
      verifications: ['read', 'look at', 'read'],
    };
    console.log(`${name}: ${it.what}`);
    const result = await runLimits(program, life, deployed, print, stop.signal).finally(stopServer);
    const problem = problemOf(result);
    failed ||= problem !== undefined;
    const row = [name, ...figures(result)];
    // The table comes at the end, which a run that is ended does not reach.
    console.log(`  ${problem ?? 'passed'}; ${row.slice(1, 7).map((it, i) => `${rows[0]?.[i + 1] ?? ''} ${it}`).join(', ')}`); // prettier-ignore
    rows.push(row);
    execFileSync('rm', ['-rf', own]);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

function print({ step, outcome, seconds, delays }: LimitsStep): void {
  const { longest, p999, ownLongest, ownP999 } = delays;
  const all = [longest, p999, ownLongest, ownP999].map((it) => String(it ?? '-')).join('/');
  console.log(`  ${step}: ${outcome}; ${seconds.toFixed(1)} s; longest/p99.9/own longest/own p99.9 ${all} ms`);
}

function figures({ steps, idle, peakBytes }: LimitsResult): string[] {
  const { longest, p999, ownLongest, ownP999 } = steps.at(-1)?.soFar ?? {};
  const delays = [longest, p999, ownLongest, ownP999, idle.p999].map((it) => String(it ?? 'unknown'));
  const took = (start: string) =>
    Math.max(...steps.filter(({ step }) => step.startsWith(start)).map(({ seconds }) => seconds)).toFixed(1);
  const peak = peakBytes === undefined ? 'not limited' : (peakBytes / 2 ** 20).toFixed(0);
  return [peak, ...delays, ...['store v1', 'store v2', 'look', 'read', 'remove'].map(took)];
}

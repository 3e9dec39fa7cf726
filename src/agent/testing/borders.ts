import { lstat, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readUnpacked } from '../../image/unpack/bundle.ts';
import { unpackArchive } from '../../image/unpack/archive.ts';
import { clearForLayer, layerFilter } from '../../image/unpack/layer.ts';
import type { FilterOptions } from '../../image/unpack/tar/filter.ts';
import { FetchError } from '../../image/failure.ts';
import { parseConfig, parseManifest } from '../../image/registry/image.ts';
import { openRegistry } from '../../image/registry/registry.ts';
import { parsePolicy, ruleFor } from '../../image/signatures/policy.ts';
import { compress, rootEntries, sha256, tar } from './archive.ts';
import type { TarEntry } from './archive.ts';
import { changed, garbled } from './random.ts';
import type { Dice } from './random.ts';

/**
 * What strangers send, each with a way to make a bad one of a good one, and what has to hold for it: it is taken, or refused with one
 * of the errors that are made for it and a short message. Anything else is a finding.
 */
export interface Border {
  /** Makes an input of the dice and gives it to the code; throws when that does what it must not. */
  probe(dice: Dice, directory: string): Promise<void>;
}

const digest = `sha256:${'a'.repeat(64)}`;
const oci = 'application/vnd.oci.image';
const manifest = {
  schemaVersion: 2,
  mediaType: `${oci}.manifest.v1+json`,
  config: { mediaType: `${oci}.config.v1+json`, digest, size: 3 },
  layers: [{ mediaType: `${oci}.layer.v1.tar+gzip`, digest, size: 7 }],
};
const index = {
  schemaVersion: 2,
  manifests: [{ ...manifest.config, platform: { os: 'linux', architecture: 'amd64', variant: 'v2' } }],
};
const configuration = {
  os: 'linux',
  architecture: 'amd64',
  config: {
    ...{ Entrypoint: ['/bin/x'], Cmd: ['-c', '$(A)'], Env: ['A=1', 'B'], WorkingDir: '/srv', User: 'a:b' },
    ...{ StopSignal: 'SIGQUIT', Volumes: { '/data': {} } },
  },
};
const bundle = {
  os: 'debian-12',
  version: 'v1',
  architecture: 'amd64',
  defaults: { command: ['/x'], args: ['y'], env: [{ name: 'A', value: '1' }], workingDir: '/' },
};
const policy = {
  repositories: [
    { prefix: 'registry.example.com/os', unsigned: true },
    { prefix: '*', unsigned: true },
  ],
};

/** Refused as it should be. Messages are for a status, so they are short. */
function expectRefusal(error: unknown, kind: new (...args: never[]) => Error = FetchError): void {
  if (!(error instanceof kind) || error instanceof TypeError || error instanceof RangeError) throw error;
  if (error.message.length > 4096)
    throw new Error(`Its message has ${error.message.length} characters`, { cause: error });
}

/** JSON that is wrong as a text or as a value. */
const json = (value: unknown, dice: Dice): Buffer => {
  const text = Buffer.from(JSON.stringify(changed(value, dice)));
  return dice.rarely(4) ? garbled(text, dice) : text;
};

function parsing(values: readonly unknown[], parse: (bytes: Buffer) => unknown, kind?: typeof Error): Border {
  return {
    probe(dice) {
      try {
        parse(json(dice.pick(values), dice));
      } catch (error) {
        expectRefusal(error, kind);
      }
      return Promise.resolve();
    },
  };
}

const bundles: Border = {
  async probe(dice, directory) {
    await mkdir(join(directory, 'root'));
    await writeFile(join(directory, 'bundle.json'), json(bundle, dice));
    await readUnpacked(directory, { os: 'debian-12', version: 'v1' }).catch(expectRefusal);
  },
};

const names = [
  'usr/x',
  '../x',
  '/x',
  'l/x',
  'l',
  './usr/../x',
  'a/'.repeat(60),
  '.wh.usr',
  'usr/.wh..wh..opq',
  '.wh...',
  'x\ny',
  '',
  '.',
];
const kinds = ['file', 'hardlink', 'symlink', 'character', 'block', 'directory', 'fifo'] as const;

function entries(dice: Dice): TarEntry[] {
  return Array.from({ length: 1 + dice.below(8) }, () => ({
    name: dice.pick(names),
    type: dice.pick(kinds),
    content: dice.rarely(2) ? 'x'.repeat(dice.below(2000)) : '',
    link: dice.pick(names),
    mode: dice.below(0o10000),
    device: [dice.below(9), dice.below(9)],
  }));
}

function archive(dice: Dice): Buffer {
  const plain = tar([...rootEntries(), ...entries(dice)]);
  const inner = dice.rarely(2) ? garbled(plain, dice) : plain;
  const packed = dice.rarely(2) ? inner : compress(dice.pick(['zstd', 'gzip', 'xz']), inner);
  return dice.rarely(4) ? garbled(packed, dice) : packed;
}

/** What must not change, beside the tree that is made; and what must not come. */
async function withNeighbour(directory: string, work: (tree: string) => Promise<void>): Promise<void> {
  const tree = join(directory, 'tree');
  await mkdir(tree);
  await writeFile(join(directory, 'neighbour'), 'untouched', { mode: 0o640 });
  await work(tree).catch(expectRefusal);
  const { mode, nlink, uid } = await lstat(join(directory, 'neighbour'));
  const is = [await readFile(join(directory, 'neighbour'), 'utf8'), mode & 0o7777, nlink, uid];
  if (is.join() !== ['untouched', 0o640, 1, 0].join()) throw new Error(`The neighbour has changed: ${is.join()}`);
  const others = (await readdir(directory)).filter((name) => !['tree', 'neighbour', 'spool', 'layer'].includes(name));
  if (others.length > 0) throw new Error(`There is ${others.join(', ')} beside the tree`);
}

async function unpack(bytes: Buffer, tree: string, spool: string, filter?: FilterOptions): Promise<void> {
  const unpacking = unpackArchive(tree, spool, AbortSignal.timeout(20_000), filter ? { filter } : {});
  await unpacking.write(bytes);
  await unpacking.finish();
}

const archives: Border = {
  probe: (dice, directory) => withNeighbour(directory, (tree) => unpack(archive(dice), tree, join(directory, 'spool'))),
};

const layers: Border = {
  probe: (dice, directory) =>
    withNeighbour(directory, async (tree) => {
      await unpack(tar(rootEntries()), tree, join(directory, 'spool'));
      for (let layer = 0; layer < 2; layer++) {
        const [file, bytes] = [join(directory, 'layer'), archive(dice)];
        await writeFile(file, bytes);
        await clearForLayer(tree, file, AbortSignal.timeout(20_000));
        await rm(file);
        await unpack(bytes, tree, join(directory, 'spool'), layerFilter(tree));
      }
    }),
};

const policies: Border = {
  probe(dice) {
    try {
      const rules = parsePolicy(json(policy, dice).toString());
      ruleFor({ oci: { reference: 'registry.example.com/os/x:1', digest } }, rules);
    } catch (error) {
      expectRefusal(error, Error);
    }
    return Promise.resolve();
  },
};

/** Serves whatever it is told, under any path; given by who runs the fuzzer. */
export type Serve = (
  answer: () => { status: number; headers: Record<string, string>; body: Buffer },
) => Promise<string>;

/** A registry, or a server for tokens, that answers anything. */
export function answers(serve: Serve): Border {
  let now: Dice | undefined;
  const body = () => (now ? json(now.pick([manifest, { token: 't', access_token: 'a' }]), now) : Buffer.alloc(0));
  const origin = serve(() => {
    const status = now?.pick([200, 200, 200, 206, 301, 401, 401, 403, 404, 416, 429, 500, 204]) ?? 200;
    const challenge =
      now?.pick(['Bearer realm="ORIGIN/token",service="x"', 'Bearer realm="', 'Basic', 'Bearer realm="x:"', '']) ?? '';
    const headers: Record<string, string> = {
      ...(now?.rarely(2) && { location: now.pick(['/v2/', 'ORIGIN/else', 'ftp://x/', 'http://[', '']) }),
      ...(now?.rarely(4) && { 'content-range': now.pick(['bytes 0-1/2', 'bytes */9', 'bytes 5-1/x', 'x']) }),
      'www-authenticate': challenge,
    };
    return { status, headers, body: body() };
  });
  return {
    async probe(dice, directory) {
      now = dice;
      const source = { reference: `${(await origin).replace('http://', '')}/os:v1`, digest, plainHTTP: true };
      const options = {
        readSecret: () => Promise.resolve(undefined),
        signal: AbortSignal.timeout(20_000),
        http: {
          vainResumes: 1,
          resumePauseSeconds: 0.001,
          idleTimeoutSeconds: 2,
          reach: { localSources: ['127.0.0.1'] },
        },
      };
      const ports = { mirrorsFile: join(directory, 'none'), warn: () => undefined };
      const registry = await openRegistry(source, ports, options);
      try {
        const bytes = await registry.readManifest(dice.rarely(2) ? digest : `sha256:${sha256(json(manifest, dice))}`);
        parseManifest(bytes, 'amd64');
      } catch (error) {
        expectRefusal(error);
      } finally {
        await registry.close();
      }
    },
  };
}

/** All borders that need nothing but files and programs. */
export const borders: Record<string, Border> = {
  manifest: parsing([manifest, index], (bytes) => parseManifest(bytes, 'amd64')),
  configuration: parsing([configuration], (bytes) => parseConfig(bytes, 'amd64')),
  bundle: bundles,
  policy: policies,
  archive: archives,
  layers,
};

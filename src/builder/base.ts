import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DebootstrapBase } from '../api/build.ts';
import type { Recipe } from '../api/buildrun.ts';
import { secretNames } from '../api/buildrun.ts';
import type { LiteralDefaults } from '../api/osimage.ts';
import { checkArchitecture, checkBundleArchitecture } from '../image/unpack/architecture.ts';
import { readUnpacked } from '../image/unpack/bundle.ts';
import { detectLayout, readTop } from '../image/unpack/layout.ts';
import { hasOwnProgram } from '../image/unpack/program.ts';
import { namedByUser } from '../image/download/reach.ts';
import { openArchive } from '../image/http-source.ts';
import { openImage } from '../image/oci-source.ts';
import type { Source } from '../image/source.ts';
import { DiskReservations } from '../image/disk/reservations.ts';
import { maxEntries } from '../image/disk/limits.ts';
import { readSpace } from '../image/disk/space.ts';
import { countFiles } from '../system/walk.ts';
import { because, BuildError } from './failure.ts';
import { placeInside } from '../system/rooted-path.ts';
import { proxyVariables, removeInside } from './chroot.ts';
import type { BuilderPorts } from './ports.ts';

/** What a build begins with. */
export interface Base {
  root: string;
  /** Those of the bundle or the OCI image. */
  defaults?: LiteralDefaults;
  /** That of the bundle. */
  mountScript?: string;
}

/** What the step does, for people. */
export function describeBase({ debootstrap, oci, http }: Recipe['build']['from']): string {
  if (debootstrap) return `${debootstrap.suite} from ${debootstrap.mirror}`;
  if (oci) return `${oci.reference}@${oci.digest}`;
  return http ? new URL(http.url).origin + new URL(http.url).pathname : 'none';
}

/** Makes or fetches the tree to begin with. */
export async function makeBase(recipe: Recipe, ports: BuilderPorts): Promise<Base> {
  const { debootstrap, oci, http } = recipe.build.from;
  if (recipe.architecture !== ports.architecture) {
    const message = `The image is for ${recipe.architecture} and this machine is ${ports.architecture}: programs of the image could not run; build it on another`;
    throw new BuildError('ArchitectureMismatch', message);
  }
  if (debootstrap) return bootstrap(debootstrap, recipe, ports);
  const { signal, proxies, progress } = ports;
  const readSecret = secretsOfBase(recipe, ports);
  const settings = { proxies, reach: namedByUser };
  const options = { readSecret, signal };
  if (http) {
    return obtain(await openArchive(http, `sha256:${http.sha256}`, { ...settings, ...options }), recipe, ports);
  }
  if (!oci) throw new BuildError('InvalidRecipe', 'source.build.from names no base; name debootstrap, oci or http');
  const registries = {
    mirrorsFile: '/etc/monoroot/registries.yaml',
    warn: (message: string) => progress.line(message),
    architecture: recipe.architecture,
  };
  return obtain(await openImage(oci, oci.digest, registries, { http: settings, ...options }), recipe, ports);
}

/** The Secrets of a base are asked for by their names, and found by what they are for. */
function secretsOfBase(recipe: Recipe, { readSecret }: BuilderPorts) {
  const { oci, http } = recipe.build.from;
  const ca = (oci ?? http)?.caRef?.name;
  const login = oci?.pullSecretRef?.name ?? http?.secretRef?.name;
  return async (name: string) => {
    // One Secret may be both; each is mounted whole.
    const found = await Promise.all([
      name === login ? readSecret(secretNames.base) : undefined,
      name === ca ? readSecret(secretNames.baseCA) : undefined,
    ]);
    return found[0] || found[1] ? { ...found[0], ...found[1] } : undefined;
  };
}

/** Never taken of the disk: what is left for tools to say that it is full. */
const leftBytes = 64 * 1024 * 1024;

/** Downloads, verifies and unpacks with what the agent does it with: nothing is written outside, whatever the archive holds. */
async function obtain(source: Source, recipe: Recipe, { work, signal, progress }: BuilderPorts): Promise<Base> {
  const [directory, scratch, root] = [join(work, 'base'), join(work, 'scratch'), join(work, 'root')];
  try {
    const reservations = new DiskReservations(() => readSpace(work), { bytes: leftBytes });
    const expected = { archiveBytes: source.totalBytes, unpackedBytes: undefined };
    const reservation = await reservations.reserve(expected, () => countFiles(directory, maxEntries, signal));
    await mkdir(directory, { mode: 0o755 });
    await mkdir(scratch);
    const tell = everyTenth(source.totalBytes, (text) => progress.line(text));
    const obtained = await source.obtain({ directory, scratch, reservation, signal, onBytes: tell });
    const unpacked = await readUnpacked(directory);
    checkBundleArchitecture(unpacked.architecture, recipe.architecture);
    await checkArchitecture(unpacked.root, recipe.architecture);
    const defaults = unpacked.defaults ?? obtained.defaults;
    detectLayout(await readTop(unpacked.root), await hasOwnProgram(unpacked.root, defaults));
    await rename(unpacked.root, root);
    await rm(directory, { recursive: true, force: true });
    await chmod(root, 0o755);
    const { mountScript } = unpacked;
    return { root, ...(defaults && { defaults }), ...(mountScript !== undefined && { mountScript }) };
  } finally {
    await source.close();
  }
}

/** Tells ten times at most how much has come. */
function everyTenth(total: number | undefined, tell: (text: string) => void): (bytes: number) => void {
  const piece = Math.max((total ?? 0) / 10, 32 * 1024 * 1024);
  let [received, told] = [0, 0];
  return (bytes) => {
    received += bytes;
    if (received - told < piece) return;
    told = received;
    const mebibytes = (count: number) => Math.round(count / 1024 / 1024);
    tell(`downloaded ${mebibytes(received)}${total === undefined ? '' : ` of ${mebibytes(total)}`} MiB`);
  };
}

/** In the tree: where the keys of its mirror are. */
const keyringDirectory = '/etc/apt/keyrings';

async function bootstrap(from: DebootstrapBase, recipe: Recipe, ports: BuilderPorts): Promise<Base> {
  const { work, programs, proxies } = ports;
  const { suite, mirror, components } = from;
  const root = join(work, 'root');
  const keyring = await readKeyring(from, ports);
  if (keyring) await writeFile(join(work, keyring.name), keyring.bytes);
  const sourceSignedBy = (directory: string) =>
    `deb [signed-by=${directory}/${keyring?.name ?? ''}] ${mirror} ${suite} ${components.join(' ')}`;
  const options = [
    '--mode=root',
    '--format=directory',
    '--variant=minbase',
    `--architectures=${recipe.architecture}`,
    `--components=${components.join(',')}`,
    // A mount takes rights over the node.
    '--skip=chroot/mount',
    '--aptopt=APT::Sandbox::User "root"',
    '--aptopt=Acquire::Retries "3"',
    '--dpkgopt=force-unsafe-io',
  ];
  // With keys of its own no others count, neither now nor when packages are installed later.
  const source = keyring ? sourceSignedBy(work) : mirror;
  const env = { SOURCE_DATE_EPOCH: String(recipe.build.sourceDateEpoch), ...proxyVariables(proxies) };
  const advice = 'check suite, mirror and components, and keyringRef where the mirror is not signed by Debian';
  await programs
    .run(['mmdebstrap', ...options, suite, root, source], { env })
    .catch(because('BaseFailed', `${suite} cannot be made from ${mirror}`, advice));
  // They are those of this machine.
  for (const path of ['/etc/resolv.conf', '/etc/hostname']) await removeInside(root, path);
  if (keyring) {
    await writeFile(await placeInside(root, `${keyringDirectory}/${keyring.name}`), keyring.bytes);
    await writeFile(await placeInside(root, '/etc/apt/sources.list'), `${sourceSignedBy(keyringDirectory)}\n`);
  }
  await chmod(root, 0o755);
  return { root };
}

async function readKeyring(
  { keyringRef }: DebootstrapBase,
  { readSecret }: BuilderPorts,
): Promise<{ name: string; bytes: Buffer } | undefined> {
  if (!keyringRef) return undefined;
  const text = (await readSecret(secretNames.keyring))?.['keyring.gpg'];
  if (text === undefined) {
    const message = `There is no Secret ${keyringRef.name} with the key keyring.gpg in the operator's namespace; create it`;
    throw new BuildError('SecretMissing', message);
  }
  // apt tells the two kinds by their names.
  const armored = text.startsWith('-----BEGIN');
  return { name: armored ? 'monoroot.asc' : 'monoroot.gpg', bytes: Buffer.from(text, 'latin1') };
}

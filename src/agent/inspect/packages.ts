import type { FileHandle } from 'node:fs/promises';
import { linesOf } from '../../runtime/lines.ts';
import { parseInstalled } from './apk.ts';
import { packageOfList, parseStatus } from './dpkg.ts';
import { namesInside, openInside, findInside } from '../../system/rooted-path.ts';
import type { InstalledPackage } from '../../api/inspection.ts';

/** What the package managers of an image say of it. */
export interface Packages {
  packages: InstalledPackage[];
  /** Package that a file belongs to, by the path of the file. */
  owners: ReadonlyMap<string, string>;
  /** Directories with their records. */
  records: string[];
  /** What is there and was not read, in sentences. */
  notes: string[];
}

/** An image may say what it likes of itself; a full desktop has a third of these. */
const mostOwners = 400_000;
const mostPackages = 50_000;
const longestLine = 8192;

const dpkg = '/var/lib/dpkg';
const apk = ['/lib/apk/db', '/usr/lib/apk/db'];
const rpm = ['/var/lib/rpm', '/usr/lib/sysimage/rpm'];
const rpmFiles = ['rpmdb.sqlite', 'Packages.db', 'Packages'];

/** Reads what an image records of its packages: dpkg and apk. Of rpm it only tells that it is there. */
export async function readPackages(root: string): Promise<Packages> {
  const found: Found = { packages: [], owners: new Map(), records: [], notes: [] };
  await readDpkg(root, found);
  await readApk(root, found);
  await noteRpm(root, found);
  if (found.owners.size >= mostOwners || found.packages.length >= mostPackages) {
    found.notes.push(`Only ${mostPackages} packages and ${mostOwners} files of packages are read, and there are more`);
  }
  return found;
}

type Found = Packages & { owners: Map<string, string> };

async function readDpkg(root: string, found: Found): Promise<void> {
  const parts = (await namesInside(root, `${dpkg}/status.d`)).filter((name) => !name.endsWith('.md5sums'));
  for (const path of [`${dpkg}/status`, ...parts.map((name) => `${dpkg}/status.d/${name}`)]) {
    for await (const one of parseStatus(linesWithin(root, path))) addPackage(found, one);
  }
  if (found.packages.length > 0) found.records.push(dpkg);
  const links = await topLinks(root);
  for (const name of await namesInside(root, `${dpkg}/info`)) {
    const owner = packageOfList(name);
    if (owner === undefined) continue;
    for await (const path of linesWithin(root, `${dpkg}/info/${name}`)) setOwner(found, links(path), owner);
  }
}

function setOwner({ owners }: Found, path: string, name: string): void {
  if (owners.size < mostOwners) owners.set(path, name);
}

function addPackage({ packages }: Found, one: InstalledPackage): void {
  if (packages.length < mostPackages) packages.push(one);
}

async function readApk(root: string, found: Found): Promise<void> {
  for (const directory of apk) {
    const before = found.packages.length;
    const links = await topLinks(root);
    const lines = linesWithin(root, `${directory}/installed`);
    const own = (path: string, name: string) => setOwner(found, links(path), name);
    for await (const one of parseInstalled(lines, own)) addPackage(found, one);
    if (found.packages.length === before) continue;
    found.records.push(links(directory));
    return;
  }
}

async function noteRpm(root: string, found: Found): Promise<void> {
  for (const path of rpm.flatMap((directory) => rpmFiles.map((name) => `${directory}/${name}`))) {
    if ((await findInside(root, path)) === undefined) continue;
    found.notes.push(`${path} is a database of rpm, which is not read: its packages are missing here, files are not`);
    return;
  }
}

/** Makes /usr/bin/ls of /bin/ls where /bin is a link to usr/bin: packages record what they were built with. */
async function topLinks(root: string): Promise<(path: string) => string> {
  const targets = new Map<string, string>();
  for (const name of await namesInside(root, '/')) {
    const target = await findInside(root, name);
    if (target !== undefined && target !== `${root}/${name}`) targets.set(name, target.slice(root.length));
  }
  return (path) => {
    const [, top = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(path) ?? [];
    const target = targets.get(top);
    return target === undefined ? path : target + rest;
  };
}

async function* linesWithin(root: string, path: string): AsyncGenerator<string> {
  const file = await openInside(root, path);
  if (file) yield* linesOf(textOf(file), longestLine);
}

const textOf = (file: FileHandle): AsyncIterable<string> => file.createReadStream({ encoding: 'utf8' });

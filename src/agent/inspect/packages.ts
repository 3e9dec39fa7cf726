import type { FileHandle } from 'node:fs/promises';
import { linesOf } from '../../runtime/lines.ts';
import { escaped } from '../store/names.ts';
import { Sorter } from '../store/sorter.ts';
import type { SorterOptions } from '../store/sorter.ts';
import { parseInstalled } from './apk.ts';
import { packageOfList, parseStatus } from './dpkg.ts';
import { namesInside, openInside, findInside } from '../../system/rooted-path.ts';
import type { InstalledPackage } from '../../api/inspection.ts';

/** An image may say what it likes of itself; a full desktop has a third of these. */
const mostPackages = 50_000;
/** Of the names of packages and their files, all together: what the lists of them take on the disk. */
const mostCharacters = 128 * 1024 * 1024;
const mostRecords = 100_000;
const mostOnTop = 1_000;
const longestLine = 8192;
const longestName = 256;

const dpkg = '/var/lib/dpkg';
const apk = ['/lib/apk/db', '/usr/lib/apk/db'];
const rpm = ['/var/lib/rpm', '/usr/lib/sysimage/rpm'];
const rpmFiles = ['rpmdb.sqlite', 'Packages.db', 'Packages'];

/**
 * What the package managers of an image say of it, in little memory however much that is. `close` is to be called in any case.
 */
export class Packages {
  /** Directories with their records. */
  readonly records: string[] = [];
  /** Sentences about files that are there and were not read. */
  readonly notes: string[] = [];
  readonly #packages: Sorter;
  readonly #owners: Sorter;
  #count = 0;
  #characters = 0;
  #isCut = false;

  constructor(options: SorterOptions) {
    this.#packages = new Sorter(options);
    this.#owners = new Sorter(options);
  }

  /** Reads what an image records of its packages: dpkg and apk. Of rpm it only tells that it is there. */
  async read(root: string): Promise<void> {
    await this.#readDpkg(root);
    await this.#readApk(root);
    await this.#noteRpm(root);
    if (!this.#isCut) return;
    const most = `${mostPackages} packages and ${mostCharacters / 1024 / 1024} MiB of names of their files`;
    this.notes.push(`Only ${most} are read, and there are more`);
  }

  /** Those that are installed, in the order of the records. */
  async *installed(): AsyncGenerator<InstalledPackage> {
    for await (const line of this.#packages.sorted()) {
      yield JSON.parse(line.slice(line.indexOf(' ') + 1)) as InstalledPackage;
    }
  }

  /** Lines of the name of a file, as manifests have it, and a package that it belongs to; sorted, the last of a file counts. */
  owners(): AsyncGenerator<string> {
    return this.#owners.sorted();
  }

  async close(): Promise<void> {
    await Promise.all([this.#packages.close(), this.#owners.close()]);
  }

  async #readDpkg(root: string): Promise<void> {
    const parts = await this.#names(root, `${dpkg}/status.d`);
    const files = parts.filter((name) => !name.endsWith('.md5sums')).map((name) => `${dpkg}/status.d/${name}`);
    for (const path of [`${dpkg}/status`, ...files]) {
      for await (const one of parseStatus(linesWithin(root, path))) await this.#add(one);
    }
    if (this.#count > 0) this.records.push(dpkg);
    const links = await this.#topLinks(root);
    for (const name of await this.#names(root, `${dpkg}/info`)) {
      const owner = packageOfList(name);
      if (owner === undefined) continue;
      for await (const path of linesWithin(root, `${dpkg}/info/${name}`)) await this.#own(links(path), owner);
    }
  }

  async #readApk(root: string): Promise<void> {
    for (const directory of apk) {
      const before = this.#count;
      const links = await this.#topLinks(root);
      for await (const one of parseInstalled(linesWithin(root, `${directory}/installed`))) {
        if ('file' in one) await this.#own(links(one.file), one.name);
        else await this.#add(one);
      }
      if (this.#count === before) continue;
      this.records.push(asText(links(directory)));
      return;
    }
  }

  async #noteRpm(root: string): Promise<void> {
    for (const path of rpm.flatMap((directory) => rpmFiles.map((name) => `${directory}/${name}`))) {
      if ((await findInside(root, path)) === undefined) continue;
      this.notes.push(`${path} is a database of rpm, which is not read: its packages are missing here, files are not`);
      return;
    }
  }

  async #add({ name, version, architecture }: InstalledPackage): Promise<void> {
    const [one, two, three] = [name, version, architecture].map((text) => asText(text.slice(0, longestName)));
    const line = JSON.stringify({ name: one, version: two, architecture: three });
    if (this.#count >= mostPackages || !this.#hasRoom(line)) return void (this.#isCut = true);
    // One character a byte, in the order of the records.
    this.#packages.add(`${String(++this.#count).padStart(8, '0')} ${Buffer.from(line).toString('latin1')}`);
    await this.#packages.settle();
  }

  async #own(path: string, owner: string): Promise<void> {
    const line = `./root${escaped(path)} ${escaped(owner.slice(0, longestName))}`;
    if (!this.#hasRoom(line)) return void (this.#isCut = true);
    this.#owners.add(line);
    await this.#owners.settle();
  }

  #hasRoom(line: string): boolean {
    this.#characters += line.length;
    return this.#characters <= mostCharacters;
  }

  async #names(root: string, directory: string): Promise<string[]> {
    const names = await namesInside(root, directory, mostRecords);
    if (names.length >= mostRecords) this.#isCut = true;
    return names;
  }

  /** Makes /usr/bin/ls of /bin/ls where /bin is a link to usr/bin: packages record what they were built with. */
  async #topLinks(root: string): Promise<(path: string) => string> {
    const targets = new Map<string, string>();
    for (const name of await namesInside(root, '/', mostOnTop)) {
      const target = await findInside(root, name);
      if (target !== undefined && target !== `${root}/${name}`) targets.set(name, asBytes(target.slice(root.length)));
    }
    return (path) => {
      const [, top = '', rest = ''] = /^\/([^/]+)(\/.*)$/s.exec(path) ?? [];
      const target = targets.get(top);
      return target === undefined ? path : target + rest;
    };
  }
}

/** Lines of one character a byte: names of files need not be UTF-8. */
async function* linesWithin(root: string, path: string): AsyncGenerator<string> {
  const file = await openInside(root, path);
  if (file) yield* linesOf(bytesOf(file), longestLine);
}

const bytesOf = (file: FileHandle): AsyncIterable<string> => file.createReadStream({ encoding: 'latin1' });
const asText = (bytes: string) => Buffer.from(bytes, 'latin1').toString();
const asBytes = (text: string) => Buffer.from(text).toString('latin1');

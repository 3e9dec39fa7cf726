import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions } from '../options.ts';
import type { Spdx } from '../sbom/spdx.ts';
import { debianPackages } from './packages.ts';

/** Prints what hack/lib/pinned/debian.packages has to be for images with these lists of packages. */
const { list = [] } = readOptions(
  { name: 'hack/node hack/lib/pinned/debian.ts', does: 'Prints the pins of the Debian packages in these lists.' },
  { list: { type: 'string', multiple: true } },
);
const versions = new Map<string, string>();
for (const file of list) {
  for (const [name, version] of debianPackages(JSON.parse(readFileSync(file, 'utf8')) as Spdx)) {
    const other = versions.get(name);
    if (other !== undefined && other !== version) throw new Error(`${name} is there twice: ${other} and ${version}`);
    versions.set(name, version);
  }
}
const about = readFileSync(join(import.meta.dirname, 'debian.packages'), 'utf8')
  .split('\n')
  .filter((it) => it.startsWith('#'));
const lines = [...versions].map(([name, version]) => `${name} ${version}`).sort();
process.stdout.write(`${[...about, ...lines].join('\n')}\n`);

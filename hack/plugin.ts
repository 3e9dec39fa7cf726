// Packs the kubectl plugin for machines without Node, into dist/plugin/: one file and one archive for each platform, and SHA256SUMS.
//   hack/node hack/plugin.ts                                          linux-amd64 and linux-arm64, with the pinned Node
//   hack/node hack/plugin.ts --node darwin-arm64=FILE                 also this one, with that Node
//   hack/node hack/plugin.ts --base-url https://example.com/v0.1.0    where the archives will be: writes the manifest for krew, too
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { readOptions } from './lib/options.ts';
import { krewManifest } from './lib/plugin/krew.ts';
import { pinnedNode } from './lib/plugin/node.ts';
import { bundlePlugin, packPlugin } from './lib/plugin/pack.ts';
import type { Packed } from './lib/plugin/pack.ts';

const about = {
  name: 'hack/node hack/plugin.ts',
  does: 'Packs the kubectl plugin with a Node of its own into dist/plugin/: --node PLATFORM=FILE adds a platform, --base-url URL writes the manifest for krew.',
};
const values = readOptions(about, {
  node: { type: 'string', multiple: true, default: [] },
  'base-url': { type: 'string' },
});
const { version } = manifest;
const root = join(import.meta.dirname, '..');
const out = join(root, 'dist/plugin');
const baseUrl = values['base-url'];

const given = values.node.map((it): [string, string] => {
  const [platform = '', file = ''] = it.split('=', 2);
  return [platform, file];
});
const own = ['linux-amd64', 'linux-arm64'].map((platform): [string, string] => [platform, pinnedNode(platform, root)]);
const nodes = new Map([...own, ...given]);

const program = await bundlePlugin(root, join(out, 'cli.mjs'));
const packed: Packed[] = [];
for (const [platform, node] of nodes) packed.push(packPlugin({ platform, node, program, out, version, root }));
const files = packed.flatMap(({ single, archive }) => [single, archive]);
if (baseUrl !== undefined) {
  writeFileSync(join(out, 'monoroot.yaml'), krewManifest(packed, { version, baseUrl }));
  files.push(join(out, 'monoroot.yaml'));
}
const sum = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
writeFileSync(join(out, 'SHA256SUMS'), files.map((file) => `${sum(file)}  ${basename(file)}\n`).join(''));
for (const file of files) console.log(`${(readFileSync(file).length / 2 ** 20).toFixed(1)} MiB  ${file}`);

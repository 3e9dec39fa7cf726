// Writes crds/*.yaml from the schemas in src/api. With --check it writes nothing and fails when a file is stale.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { kinds } from '../src/api/kinds.ts';
import { group } from '../src/api/names.ts';

const directory = join(import.meta.dirname, '..', 'crds');
const check = process.argv.includes('--check');

const yaml = (object: object) =>
  `# Generated from src/api by "npm run generate". Do not edit.\n${dump(object, { lineWidth: 140, noRefs: true })}`;
const wanted = new Map(kinds.map((kind) => [`${group}_${kind.plural}.yaml`, yaml(customResourceDefinition(kind))]));
const kustomization = {
  apiVersion: 'kustomize.config.k8s.io/v1beta1',
  kind: 'Kustomization',
  resources: [...wanted.keys()],
};
wanted.set('kustomization.yaml', yaml(kustomization));
const present = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
const stale = [
  ...[...wanted]
    .filter(([name, text]) => !present.includes(name) || readFileSync(join(directory, name), 'utf8') !== text)
    .map(([n]) => n),
  ...present.filter((name) => !wanted.has(name)),
];
if (check && stale.length > 0) {
  console.error(`Stale in crds/: ${stale.join(', ')}. Run "npm run generate" and commit the result.`);
  process.exit(1);
}
for (const name of stale) {
  const text = wanted.get(name);
  if (text === undefined) rmSync(join(directory, name));
  else writeFileSync(join(directory, name), text);
  console.log(`${text === undefined ? 'Removed' : 'Wrote'} crds/${name}`);
}
if (stale.length === 0) console.log('crds/ is up to date');

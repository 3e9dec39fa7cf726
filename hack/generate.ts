// Writes crds/*.yaml from the schemas in src/api, the templates of charts/monoroot from deploy/, the dashboards, the tables of
// docs/metrics.md from what is registered, and docs/commands.md from the help of the plugin. With --check it writes nothing and fails when
// a file is stale.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { kinds } from '../src/api/kinds.ts';
import { group } from '../src/api/names.ts';
import { commandsPage } from './lib/commands-page.ts';
import { chartTemplates } from './lib/chart.ts';
import { dashboards } from './lib/dashboards/dashboards.ts';
import { readOptions } from './lib/options.ts';
import { metricsPage } from './lib/metrics-page.ts';

const root = join(import.meta.dirname, '..');
const about = {
  name: 'hack/node hack/generate.ts',
  does: 'Writes what is generated from the sources. With --check it writes nothing, and fails when a file is stale.',
};
const { check } = readOptions(about, { check: { type: 'boolean', default: false } });

const yaml = (object: object) =>
  `# Generated from src/api by "npm run generate". Do not edit.\n${dump(object, { lineWidth: 140, noRefs: true })}`;
const crds = new Map(kinds.map((kind) => [`${group}_${kind.plural}.yaml`, yaml(customResourceDefinition(kind))]));
crds.set(
  'kustomization.yaml',
  yaml({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: [...crds.keys()] }),
);

/** JSON has no comments: what is JSON in such a directory is generated. */
const isGenerated = (path: string) =>
  path.endsWith('.json') || (path.endsWith('.yaml') && /^.{0,8}Generated from /.test(readFileSync(path, 'utf8')));

/** Brings the generated files of a directory to what they must be; gives the names of those that were not. */
function bring(directory: string, wanted: ReadonlyMap<string, string>): string[] {
  const path = (name: string) => join(root, directory, name);
  mkdirSync(path('.'), { recursive: true });
  const present = readdirSync(path('.')).filter((name) => isGenerated(path(name)));
  const stale = [
    ...[...wanted]
      .filter(([n, text]) => !present.includes(n) || readFileSync(path(n), 'utf8') !== text)
      .map(([n]) => n),
    ...present.filter((name) => !wanted.has(name)),
  ];
  for (const name of check ? [] : stale) {
    const text = wanted.get(name);
    if (text === undefined) rmSync(path(name));
    else writeFileSync(path(name), text);
    console.log(`${text === undefined ? 'Removed' : 'Wrote'} ${join(directory, name)}`);
  }
  if (stale.length === 0) console.log(`${directory}/ is up to date`);
  return stale.map((name) => join(directory, name));
}

/** Writes the tables of a page again; gives its name when they were stale. */
async function page(name: string, write: (text: string) => Promise<string>): Promise<string[]> {
  const before = readFileSync(join(root, name), 'utf8');
  const after = await write(before);
  if (after !== before && !check) writeFileSync(join(root, name), after);
  console.log(after === before ? `${name} is up to date` : `Wrote ${name}`);
  return after === before ? [] : [name];
}

const stale = [
  ...bring('crds', crds),
  ...bring('charts/monoroot/templates', chartTemplates(root, crds)),
  ...bring('deploy/components/monitoring/dashboards', dashboards()),
  // A chart takes files of its own directory only.
  ...bring('charts/monoroot/dashboards', dashboards()),
  ...(await page('docs/metrics.md', metricsPage)),
  ...(await page('docs/commands.md', () => Promise.resolve(commandsPage()))),
];
if (check && stale.length > 0) {
  console.error(`Stale: ${stale.join(', ')}. Run "npm run generate" and commit the result.`);
  process.exit(1);
}

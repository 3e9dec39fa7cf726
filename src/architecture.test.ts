import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** Arrows point one way: what each floor of the house may import besides itself. */
const floors: Record<string, string[]> = {
  api: [],
  runtime: [],
  system: ['runtime'],
  kube: ['api', 'runtime'],
  image: ['api', 'runtime', 'system'],
  pod: ['api', 'runtime'],
  mounts: ['api', 'runtime'],
  controllers: ['api', 'runtime', 'kube', 'pod'],
  agent: ['api', 'runtime', 'system', 'kube', 'image'],
  builder: ['api', 'runtime', 'system', 'image'],
  page: ['cli'],
  cli: ['api', 'runtime', 'system', 'kube', 'pod', 'controllers', 'image', 'builder'],
  cmd: ['api', 'runtime', 'system', 'kube', 'pod', 'controllers', 'image', 'agent', 'builder', 'cli', 'mounts'],
};

/** What each room may import of its own floor besides itself: other rooms, and files of the hall. */
const rooms: Record<string, string[]> = {
  'api/kubernetes': ['meta'],
  'image/disk': ['failure'],
  'image/download': ['failure'],
  'image/registry': ['download', 'failure', 'untrusted'],
  'image/signatures': ['registry', 'failure', 'untrusted'],
  'image/unpack': ['failure', 'untrusted'],
  'image/unpack/tar': [],
  'agent/store': [],
  'agent/inspect': ['store'],
  'agent/removal': ['store', 'state'],
  'agent/verify': ['store', 'state'],
  'agent/fetch': ['store', 'state', 'settings'],
  'agent/status': ['store', 'fetch', 'state'],
  'controllers/hostedcontainer': ['*'],
  'controllers/imagedistribution': ['*', 'hostedcontainer'],
  'controllers/imagedistribution/forecast': ['activation', 'rollout'],
  'controllers/imagedistribution/rollout': [],
  'controllers/imagedistribution/rollout/gates': ['observed'],
  'controllers/metrics': ['imagedistribution'],
  'controllers/nodestore': ['*', 'hostedcontainer'],
  'controllers/osimage': ['*'],
  'controllers/osimage/stages': ['facts', 'observed'],
  'cli/bundle': ['command', 'host', 'terminal'],
  'cli/dashboard': ['fleet', 'host', 'rollout', 'scene', 'terminal', 'views', 'why'],
  'cli/dashboard/models': ['delta', 'routes', 'views'],
  'cli/diff': ['command', 'packages', 'terminal'],
  'cli/rollout': ['command', 'follow', 'terminal', 'write'],
  'cli/fleet': ['rollout', 'terminal'],
  'cli/completion': ['command', 'cluster', 'names'],
  'cli/scene': ['command', 'names'],
  'cli/why': ['scene', 'terminal'],
  'cli/check': ['bundle', 'cluster', 'scene', 'system', 'terminal'],
  'cli/lint': ['command'],
  'cli/gate': ['command'],
  'cli/rehearse': ['command', 'follow', 'terminal', 'text', 'write'],
  'cli/packages': ['command'],
  'cli/plan': ['command', 'lint', 'scene', 'terminal'],
  'cli/support': ['check', 'cluster', 'output', 'system'],
  'cli/views': ['rollout', 'scene', 'terminal'],
  'cli/write': ['command', 'follow', 'names', 'scene', 'terminal', 'time'],
  'cli/commands': [
    '*',
    'bundle',
    'check',
    'completion',
    'dashboard',
    'diff',
    'fleet',
    'gate',
    'lint',
    'packages',
    'plan',
    'rehearse',
    'rollout',
    'scene',
    'support',
    'views',
    'why',
    'write',
  ],
};

const source = import.meta.dirname;
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file.includes('/'),
);
const sources = files.map((file) => ({
  file,
  floor: file.split('/')[0] ?? '',
  text: readFileSync(join(source, file), 'utf8'),
}));

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');

/** The files of src that each file imports. */
const imports = new Map(
  sources.map(({ file, text }) => [
    file,
    importsOf(text)
      .filter((path) => path.startsWith('.'))
      .map((path) => join(dirname(file), path))
      .filter((target) => files.includes(target)),
  ]),
);
const arrows = [...imports].flatMap(([file, targets]) => targets.map((target) => ({ file, target })));

test('every import points down the tree of layers', () => {
  const wrong = arrows.filter(({ file, target }) => {
    const [floor = '', other = ''] = [file.split('/')[0], target.split('/')[0]];
    return floor !== other && !floors[floor]?.includes(other);
  });
  expect(wrong).toEqual([]);
});

/** The folders in which a file is, the innermost last. */
const foldersOf = (file: string): string[] =>
  file
    .split('/')
    .slice(0, -1)
    .map((_, i, parts) => parts.slice(0, i + 1).join('/'));

const isInside = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);
/** The member of a folder that a file is, or is in: a file by its name without an ending, or a folder. */
const memberOf = (folder: string, file: string): string =>
  file
    .slice(folder.length + 1)
    .replace(/\/.*/, '')
    .replace(/\.ts$/, '');

test('every room imports of its floor what the table says', () => {
  const wrong = arrows.flatMap(({ file, target }) =>
    foldersOf(file)
      .slice(1)
      .filter((room) => !isInside(target, room) && isInside(target, dirname(room)))
      .filter((room) => {
        const member = memberOf(dirname(room), target);
        const isOfTheHall = target === `${dirname(room)}/${member}.ts`;
        return rooms[room]?.includes(member) !== true && !(isOfTheHall && rooms[room]?.includes('*'));
      })
      .map((room) => `${room}: ${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test('the table has all rooms, and no other', () => {
  const found = new Set(files.flatMap((file) => foldersOf(file).slice(1)));
  expect(Object.keys(rooms).sort()).toEqual([...found].sort());
});

/** One circle of a graph, if it has any. */
function circle(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const found = visit(next);
      if (found) return found;
    }
    path.pop();
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const found = visit(node);
    if (found) return found;
  }
  return undefined;
}

test('a circle in a graph is found, and none where there is none', () => {
  const graph = (...pairs: [string, string[]][]) => new Map(pairs.map(([node, next]) => [node, new Set(next)]));
  expect(circle(graph(['a', ['b', 'c']], ['b', ['c']], ['c', []]))).toBeUndefined();
  expect(circle(graph(['a', ['b']], ['b', ['c']], ['c', ['b']]))).toEqual(['b', 'c', 'b']);
});

test('no files import each other in a circle', () => {
  expect(circle(new Map([...imports].map(([file, targets]) => [file, new Set(targets)])))).toBeUndefined();
});

test('no folders import each other in a circle, nor do folders and the files beside them', () => {
  const folders = new Set(['', ...files.flatMap(foldersOf)]);
  const circles = [...folders].flatMap((folder) => {
    const inside = (file: string) => folder === '' || isInside(file, folder);
    const member = (file: string) => (folder === '' ? (file.split('/')[0] ?? '') : memberOf(folder, file));
    const graph = new Map<string, Set<string>>();
    for (const { file, target } of arrows.filter((it) => inside(it.file) && inside(it.target))) {
      const [from, to] = [member(file), member(target)];
      if (from !== to) graph.set(from, (graph.get(from) ?? new Set()).add(to));
    }
    const found = circle(graph);
    return found ? [`${folder}: ${found.join(' -> ')}`] : [];
  });
  expect(circles).toEqual([]);
});

test('only kube imports the Kubernetes client', () => {
  const wrong = sources.filter(
    ({ floor, text }) => floor !== 'kube' && importsOf(text).some((p) => p.startsWith('@kubernetes/')),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

test('only cmd reads the environment or ends the process', () => {
  const wrong = sources.filter(
    ({ file, floor, text }) => floor !== 'cmd' && !file.endsWith('.test.ts') && /process\.(env|exit)\b/.test(text),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

/** Where all is pure but for the files that are named: those talk to the API server, to servers or to the disk. */
const pureFolders = ['pod', 'controllers'];
const pureFiles = [
  'agent/plan.ts',
  'agent/images.ts',
  'agent/memory.ts',
  'agent/verify/plan.ts',
  'agent/status/image-status.ts',
  'agent/status/conditions.ts',
  'image/unpack/layout.ts',
  'image/unpack/diagnose.ts',
];
const impure = new Set([
  'controllers/policy-check.ts',
  'controllers/status.ts',
  'controllers/hostedcontainer/reconcile.ts',
  'controllers/hostedcontainer/observe.ts',
  'controllers/hostedcontainer/act.ts',
  'controllers/hostedcontainer/act-on-data.ts',
  'controllers/imagedistribution/act.ts',
  'controllers/imagedistribution/observe.ts',
  'controllers/imagedistribution/reconcile.ts',
  'controllers/imagedistribution/rollout/writer.ts',
  'controllers/imagedistribution/rollout/gates/ask.ts',
  'controllers/imagedistribution/rollout/gates/gates.ts',
  'controllers/imagedistribution/rollout/gates/request.ts',
  'controllers/nodestore/act.ts',
  'controllers/nodestore/observe.ts',
  'controllers/nodestore/reconcile.ts',
  'controllers/osimage/act.ts',
  'controllers/osimage/observe.ts',
  'controllers/osimage/reconcile.ts',
]);

test('what decides neither waits nor reads a clock, but for files that are named', () => {
  const effects =
    /\bawait\b|\basync\b|Date\.now\(\)|new Date\(\)|Math\.random|performance\.now|from 'node:(fs|child_process|net|http)/;
  const guarded = files.filter((file) => pureFiles.includes(file) || pureFolders.some((it) => isInside(file, it)));
  const found = sources
    .filter(({ file, text }) => guarded.includes(file) && effects.test(text))
    .map(({ file }) => file);
  expect(found.sort()).toEqual([...impure].sort());
});

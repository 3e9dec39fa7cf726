import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { runForTest } from '../../../test/fixtures/cli.ts';
import { lint as command } from '../commands/lint.ts';
import { kinds } from '../../api/kinds.ts';
import { problemOfRule } from './cel.ts';
import { documentsOf } from './documents.ts';
import { lint } from './lint.ts';
import { schemaOf } from './schema.ts';
import type { Schema } from './schema.ts';

const image = `apiVersion: monoroot.dev/v1alpha1
kind: OSImage
metadata: {name: os.v1}
spec:
  os: os
  version: v1
  source: {http: {url: https://images.example.com/os.tar.zst, sha256: ${'a'.repeat(64)}}}
`;
const distribution = `apiVersion: monoroot.dev/v1alpha1
kind: ImageDistribution
metadata: {name: os}
spec:
  image: os:v1
  activate:
    newContainers: true
    existingContainers:
      windows:
        - schedule: "0 2 * * *"
          durationSeconds: 600
          timeZone: Australia/Sydney
`;
const container = `apiVersion: monoroot.dev/v1alpha1
kind: HostedContainer
metadata: {name: web, namespace: shop}
spec:
  image: os
  readinessProbe: {httpGet: {path: /, port: 8080}}
`;
const found = (...texts: string[]) =>
  lint(documentsOf('f.yaml', texts.join('---\n'))).map(({ id, line, severity }) => `${line} ${severity} ${id}`);

test('what makes sense has no finding, and objects of others are left alone', () => {
  expect(found(image, distribution, container, 'apiVersion: v1\nkind: Service\nspec: {x: 1}\n')).toEqual([]);
});

test.each([
  ['an unknown field', image.replace('  version', '  versoin'), /4?.*Error schema/],
  ['a name that does not fit', image.replace('os.v1}', 'os.v2}'), /^3 Error image-name/],
  ['a number that is none', distribution.replace('durationSeconds: 600', 'durationSeconds: much'), /^11 Error schema/],
  ['a window that never opens', distribution.replace('0 2 * * *', '0 25 * * *'), /^10 Error window/],
  ['a time zone that does not exist', distribution.replace('Australia/Sydney', 'Mars/Base'), /^10 Error window/],
  [
    'a rollout of what is no default',
    distribution.replace('    newContainers: true\n', ''),
    /^7 Error rollout-without-default/,
  ],
  ['an old field', distribution.replace('  activate', '  nodeSelector: {}\n  activate'), /^6 Warning node-selector/],
  ['the name of an object for an image', container.replace('image: os', 'image: os.v1'), /^5 Error image-reference/],
  ['a version that no file has', container.replace('image: os', 'image: os:v9'), /^5 Warning unknown-image/],
  ['no default version', container, /^5 Warning no-default/],
  ['no probe', container.replace(/ {2}readinessProbe.*\n/, ''), /^4 Warning no-probe/],
  [
    'a window that never opens, behind one that does',
    `${distribution}        - {schedule: "0 25 * * *", durationSeconds: 60}\n`,
    /^13 Error window/,
  ],
  ['a rule in CEL', container.replace('  image: os', '  image: os\n  services: true'), /^4 Error schema/],
  [
    'a rule in CEL that needs defaults',
    distribution.replace(
      '      windows',
      '      canary: {count: 0}\n      gates: [{name: g, webhook: {url: "https://a.example/"}}]\n      windows',
    ),
    /^8 Error schema/,
  ],
  ['an entry that is there twice', `${container}  env: [{name: A}, {name: A}]\n`, /^7 Error schema/],
  ['a number where YAML 1.1 has one', `${container}  env: [{name: A, value: 0644}]\n`, /^7 Error schema/],
  ['a limit below the overlays', `${container}  resources:\n    limits: {memory: 64Mi}\n`, /^8 Warning memory-limit/],
  [
    'an annotation that takes confinement away',
    `${container}  podTemplate:\n    metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/main: unconfined}}\n`,
    /^7 Error not-permitted/,
  ],
  ['a name that is none', container.replace('name: web', 'name: Web'), /^3 Error name/],
  ['no name', container.replace('name: web, ', ''), /^3 Error name/],
  [
    'the second object of a List',
    `apiVersion: v1\nkind: List\nitems:\n- ${image.trim().replaceAll('\n', '\n  ')}\n- ${container.trim().replaceAll('\n', '\n  ').replace('image: os', 'image: os.v1')}\n`,
    /^15 Error image-reference/,
  ],
  ['a kind that there is not', container.replace('kind: HostedContainer', 'kind: HostedContaner'), /^2 Error kind/],
])('%s is found, with its line', (_case, text, finding) => {
  expect(
    found(text).some((it) => finding.test(it)),
    found(text).join('\n'),
  ).toBe(true);
});

test('every rule in CEL can be asked here', () => {
  const rulesIn = (schema: Schema): string[] => [
    ...(schema['x-kubernetes-validations'] ?? []).map((rule) => `${problemOfRule(rule) ?? 'ok'} ${rule.rule}`),
    ...Object.values(schema.properties ?? {}).flatMap(rulesIn),
    ...(schema.items ? rulesIn(schema.items) : []),
    ...(typeof schema.additionalProperties === 'object' ? rulesIn(schema.additionalProperties) : []),
  ];
  const all = kinds.flatMap((kind) => rulesIn(schemaOf(kind)));
  expect(all.length).toBeGreaterThan(40);
  expect(all.filter((it) => !it.startsWith('ok '))).toEqual([]);
});

test('names are looked for in the cluster, too, where it is asked', () => {
  const documents = documentsOf('f.yaml', container);
  const live = documentsOf('', distribution).map(({ value }) => value);
  expect(lint(documents, live)).toEqual([]);
  expect(lint(documents, []).map(({ message }) => message)).toEqual([
    'no ImageDistribution of these files or the cluster gives os a default version',
  ]);
});

test('the examples have no error', () => {
  const root = join(import.meta.dirname, '../../..');
  const files = globSync('examples/**/*.yaml', { cwd: root });
  expect(files.length).toBeGreaterThan(5);
  const documents = files.flatMap((file) => documentsOf(file, readFileSync(join(root, file), 'utf8')));
  expect(lint(documents).filter(({ severity }) => severity === 'Error')).toEqual([]);
});

test('the command says where, and its exit code is that of the worst', async () => {
  const directory = temporaryDirectory();
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const good = [file('a.yaml', `${image}---\n${distribution}`), file('b.yaml', container)];
  expect(await runForTest(['lint', ...good], [command])).toEqual({
    code: 0,
    stdout: '3 objects, no finding\n',
    stderr: '',
  });
  const bad = file('c.yaml', image.replace('os.v1}', 'os.v2}'));
  const ran = await runForTest(['lint', bad], [command]);
  expect([ran.code, ran.stdout]).toEqual([
    1,
    expect.stringContaining(`${bad}:3: error image-name: osimage/os.v2: metadata.name must be os.v1`),
  ]);
  expect(await runForTest(['lint', file('d.yaml', 'a: [')], [command])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('d.yaml:1: the file is no YAML') as string,
  });
  const foreign = file('e.yaml', 'apiVersion: v1\nkind: Service\n');
  expect((await runForTest(['lint', foreign], [command])).stdout).toBe(
    '1 object (1 of other kinds, not looked at), no finding\n',
  );
  expect((await runForTest(['lint', good[1] ?? ''], [command])).code).toBe(0);
  expect((await runForTest(['lint', '--strict', good[1] ?? ''], [command])).code).toBe(1);
});

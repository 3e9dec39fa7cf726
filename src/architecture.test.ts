import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Arrows point one way: what each folder may import besides itself. */
const allowed: Record<string, string[]> = {
  api: [],
  runtime: [],
  system: ['runtime'],
  image: ['api', 'runtime', 'system'],
  kube: ['api', 'runtime'],
  pod: ['api', 'runtime'],
  controllers: ['api', 'runtime', 'kube', 'pod'],
  agent: ['api', 'runtime', 'system', 'image', 'kube'],
  builder: ['api', 'runtime', 'system', 'image'],
  cli: ['api', 'runtime', 'system', 'image', 'kube', 'builder'],
  cmd: ['api', 'runtime', 'system', 'image', 'kube', 'pod', 'controllers', 'agent', 'builder', 'cli'],
};

const source = import.meta.dirname;
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file.includes('/'),
);
const sources = files.map((file) => ({
  file,
  folder: file.split('/')[0] ?? '',
  text: readFileSync(join(source, file), 'utf8'),
}));

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');

test('every import points down the tree of layers', () => {
  const wrong = sources.flatMap(({ file, folder, text }) =>
    importsOf(text)
      .filter((path) => path.startsWith('.'))
      .map((path) => new URL(path, `file:///${file}`).pathname.slice(1).split('/')[0] ?? '')
      .filter((target) => target !== folder && target !== 'package.json' && !allowed[folder]?.includes(target))
      .map((target) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test('only kube imports the Kubernetes client', () => {
  const wrong = sources.filter(
    ({ folder, text }) => folder !== 'kube' && importsOf(text).some((p) => p.startsWith('@kubernetes/')),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

test('only cmd reads the environment or ends the process', () => {
  const wrong = sources.filter(
    ({ file, folder, text }) => folder !== 'cmd' && !file.endsWith('.test.ts') && /process\.(env|exit)\b/.test(text),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

test('a plan neither waits nor reads a clock', () => {
  const plans = sources.filter(({ file }) => file.endsWith('/plan.ts'));
  expect(plans.length).toBeGreaterThan(3);
  const wrong = plans.filter(({ text }) => /\bawait\b|\basync\b|Date\.now\(\)|new Date\(\)/.test(text));
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const text = (path: string) => readFileSync(join(root, path), 'utf8');
const words = (list = '') => list.split(' ').filter(Boolean).sort();

/** What is bundled for an image, by hack/images. */
const bundled = (image: string) =>
  words(new RegExp(`^    ${image}\\)\\n.*hack/build\\.ts ([a-z ]+) >&2$`, 'm').exec(text('hack/images'))?.[1]);
/** What its Dockerfile takes of that. */
const taken = (dockerfile: string) =>
  [...text(dockerfile).matchAll(/\bdist\/([a-z]+)\.js\b/g)].map(([, name = '']) => name).sort();
/** What its list of packages is made of. */
const listed = (image: string) =>
  [...(new RegExp(`^  '?${image}'?: \\{\\n    programs: \\[(.*)\\]`, 'm').exec(text('hack/lib/sbom/main.ts'))?.[1] ?? '').matchAll(/'([a-z]+)'/g)].map(([, name = '']) => name).sort(); // prettier-ignore

test.each([
  ['monoroot', 'deploy/docker/Dockerfile'],
  ['monoroot-builder', 'deploy/docker/builder.Dockerfile'],
])('the image %s has each program that is bundled for it, also those that another one starts', (image, dockerfile) => {
  expect(bundled(image)).not.toEqual([]);
  expect(taken(dockerfile)).toEqual(bundled(image));
  expect(listed(image)).toEqual(bundled(image));
});

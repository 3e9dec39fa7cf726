import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hack, kubectl, namespace } from './lib/system.ts';
import { serveFiles, upload } from './lib/files.ts';
import { applyContainer, distribute, distributed, page, remove, untilContainer, upToDate } from './lib/objects.ts';
import { has } from './lib/system.ts';

/** Roots that are not like Debian's: no shell, another libc, other links at the top, supervisors of services. */

const roots = ['distroless:1', 'alpine-like:1', 'rhel-like:1', 'services:1', 'services:2'] as const;
const nameOf = (image: string): string => `root-${image.replace(':', '-')}`;

beforeAll(async () => {
  await serveFiles();
  const paths = (await hack('osimages', 'odd')).trim().split('\n');
  for (const image of roots) {
    const path = paths.find((p) => basename(p) === `${image.replace(':', '-')}.tar.zst`);
    if (path === undefined) throw new Error(`hack/osimages odd made no ${image}`);
    await distribute(image, await upload(path));
  }
  await Promise.all(roots.map((image) => distributed(image, 120)));
});
afterAll(() => remove({ containers: [...roots.map(nameOf), 'root-none'], images: [...roots] }));

test.each(['distroless:1', 'alpine-like:1', 'rhel-like:1'])('a container of %s starts and serves', async (image) => {
  await applyContainer(nameOf(image), { image });
  await upToDate(nameOf(image), image);
  expect(await page(nameOf(image))).toBe(`${namespace}/${nameOf(image)} on ${image}`);
});

test.each([
  ['services:1', 'runsv'],
  ['services:2', 's6-supervise'],
])('the services of a container of %s are supervised by %s', async (image, program) => {
  const name = nameOf(image);
  await applyContainer(name, { image, services: true, data: { ephemeral: { size: '10Mi' } } });
  await upToDate(name, image);
  expect(await page(name)).toContain(`on ${image}`);
  const processes = await kubectl.shell({ name, namespace }, 'cat /proc/[0-9]*/comm');
  expect(processes.stdout).toContain(program);
});

test('an image without a supervisor says so', async () => {
  await applyContainer('root-none', { image: 'alpine-like:1', services: true, data: { ephemeral: { size: '10Mi' } } });
  const container = await untilContainer('root-none', 'says what it lacks', (c) =>
    has(c, 'Ready', 'False/NoSupervisor'),
  );
  expect(container.status?.conditions?.find((c) => c.type === 'Ready')?.message).toContain(
    'neither runsvdir nor s6-svscan',
  );
});

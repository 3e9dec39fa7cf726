import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { shell } from '../../../test/fixtures/agent/trees.ts';
import { Survey } from './measure.ts';

/** Looks at what a script makes; with `mostCharacters` 0 all lists are on the disk. */
async function surveyed(script: string, changes: { mostCharacters?: number; maxPathBytes?: number } = {}) {
  const root = temporaryDirectory();
  shell(root, script);
  const survey = new Survey({ scratch: temporaryDirectory(), signal, ...changes });
  try {
    await survey.look(root, signal);
    const names: string[] = [];
    for await (const { name } of survey.names()) names.push(name);
    const files: string[] = [];
    for await (const { name, names: count } of survey.files()) files.push(`${name} ${count}`);
    return { size: survey.size, names, files: files.sort() };
  } finally {
    await survey.close();
  }
}

test.each([undefined, 0])(
  'several names are one file on the disk, but one for each directory that is copied',
  async (most) => {
    const { size, files } = await surveyed(
      `mkdir etc usr; printf '%0.s=' $(seq 5000) >usr/a; ln usr/a usr/b; ln usr/a etc/c; printf x >etc/d; ln -s d etc/e; ln etc/e etc/f`,
      most === undefined ? {} : { mostCharacters: most },
    );
    expect(Object.fromEntries(size.overlayBytes)).toEqual({ etc: 3 * 4096, usr: 2 * 4096 });
    expect(size.files).toBe(8);
    expect(files).toEqual(['etc/c 3', 'etc/d 1']);
  },
);

test('holes take no memory in a copy, and no space on the disk', async () => {
  const { size } = await surveyed(`
    mkdir -p var/log etc; truncate -s 400G var/log/lastlog; truncate -s 8G var/log/page
    printf x | dd of=var/log/page bs=1 seek=4G conv=notrunc status=none; truncate -s 100 etc/small; sync -f .`);
  expect(Object.fromEntries(size.overlayBytes)).toEqual({ var: 4096, etc: 4096 });
  expect(size.bytes).toBeLessThan(100_000);
});

test('paths that are too long together are refused', async () => {
  const script = 'mkdir usr; touch usr/a usr/b';
  expect((await surveyed(script, { maxPathBytes: 13 })).size.files).toBe(3);
  await expect(surveyed(script, { maxPathBytes: 12 })).rejects.toMatchObject({ reason: 'TooLarge' });
});

test('a name of an object of JavaScript is a name', async () => {
  const { size } = await surveyed('mkdir __proto__; printf x >__proto__/constructor');
  expect([...size.overlayBytes]).toEqual([['__proto__', 4096]]);
});

import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { Sorter } from './sorter.ts';

const { signal } = new AbortController();

/** Lines with every byte that a name may have but the end of a line, in no order. */
const lines = Array.from({ length: 5000 }, (_, i) => {
  const byte = (i * 7919) % 256;
  return `${String.fromCharCode(byte === 10 ? 11 : byte)} ${(i * 31) % 977} ${i}`;
});

async function read(sorter: Sorter): Promise<string[]> {
  const found: string[] = [];
  for await (const line of sorter.sorted()) found.push(line);
  return found;
}

test.each([
  ['in memory', undefined],
  ['by sort(1)', 10_000],
  ['by sort(1) from the first line on', 0],
])('lines are sorted by their bytes %s, for all who ask at the same time and later', async (_name, mostCharacters) => {
  const scratch = temporaryDirectory();
  const { signal } = new AbortController();
  const sorter = new Sorter({ scratch, signal, ...(mostCharacters !== undefined && { mostCharacters }) });
  for (const line of lines) {
    sorter.add(line);
    await sorter.settle();
  }
  const expected = [...lines].sort();
  const [one, other] = await Promise.all([read(sorter), read(sorter)]);
  expect([one, other, await read(sorter)]).toEqual([expected, expected, expected]);
  await sorter.close();
  expect(readdirSync(scratch)).toEqual([]);
});

test('who sorts can be stopped', async () => {
  const stop = new AbortController();
  const sorter = new Sorter({ scratch: temporaryDirectory(), signal: stop.signal, mostCharacters: 0 });
  sorter.add('a');
  await sorter.settle();
  stop.abort();
  await expect(read(sorter)).rejects.toThrow('aborted');
  await sorter.close();
});

test('a directory that is not there is reported', async () => {
  const scratch = `${temporaryDirectory()}/nowhere`;
  const sorter = new Sorter({ scratch, signal: new AbortController().signal, mostCharacters: 0 });
  sorter.add('a');
  await expect(sorter.settle()).rejects.toThrow('ENOENT');
  await sorter.close();
});

test.each([
  ['in memory', undefined],
  ['by sort(1)', 10_000],
])('a list that is sorted %s is there again for others when one stops reading it', async (_name, mostCharacters) => {
  const { signal } = new AbortController();
  const sorter = new Sorter({
    scratch: temporaryDirectory(),
    signal,
    ...(mostCharacters !== undefined && { mostCharacters }),
  });
  for (const line of lines) {
    sorter.add(line);
    await sorter.settle();
  }
  const other = sorter.sorted();
  const expected = [...lines].sort();
  expect((await other.next()).value).toBe(expected[0]);
  for await (const line of sorter.sorted()) {
    expect(line).toBe(expected[0]);
    break;
  }
  expect((await other.next()).value).toBe(expected[1]);
  expect(await read(sorter)).toEqual(expected);
  await sorter.close();
});

test('lists that find no room in memory ask for room on the disk before they take it', async () => {
  const asked: number[] = [];
  const ensure = (bytes: number) => Promise.resolve(void asked.push(bytes));
  const sorter = new Sorter({ scratch: temporaryDirectory(), signal, ensure, mostCharacters: 10_000 });
  for (const line of lines) {
    sorter.add(line);
    await sorter.settle();
  }
  const all = lines.reduce((sum, line) => sum + line.length + 1, 0);
  expect(await read(sorter)).toHaveLength(lines.length);
  // For what sort(1) puts into files, and for its output.
  expect(asked.slice(0, -1).reduce((sum, bytes) => sum + bytes, 0)).toBe(all);
  expect(asked.at(-1)).toBe(all);
  await sorter.close();
});

test('without room a list ends, and nothing of it stays', async () => {
  const scratch = temporaryDirectory();
  const ensure = () => Promise.reject(new Error('no room'));
  const sorter = new Sorter({ scratch, signal, ensure, mostCharacters: 0 });
  sorter.add('a line');
  await expect(sorter.settle()).rejects.toThrow('no room');
  await sorter.close();
  expect(readdirSync(scratch)).toEqual([]);
});

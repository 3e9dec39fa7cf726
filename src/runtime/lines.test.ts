import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { linesOf } from './lines.ts';

const lines = (pieces: string[], most?: number) => linesOf(Readable.from(pieces), most);
const collect = async (all: AsyncIterable<string>) => {
  const found: string[] = [];
  for await (const line of all) found.push(line);
  return found;
};

test('gives lines whole, wherever the pieces end', async () => {
  expect(await collect(lines(['a\nb', 'c\n', '\nd']))).toEqual(['a', 'bc', '', 'd']);
});

test('keeps no more of a line than it is let', async () => {
  expect(await collect(lines(['abcd', 'efgh\nxyz\n', 'abcdef'], 5))).toEqual(['abcde', 'xyz', 'abcde']);
});

import { expect, test } from 'vitest';
import { lines } from '../runtime/lines.ts';

async function* chunks(bytes: Buffer, size: number) {
  for (let i = 0; i < bytes.length; i += size) yield Promise.resolve(bytes.subarray(i, i + size));
}

test.each([1, 2, 3, 7, 1000])('lines are the same however the bytes are cut: into %d', async (size) => {
  const text = 'first\n\nzweite Zeile mit ü und 💾\n{"third":3}\nunfinished';
  const seen: string[] = [];
  for await (const line of lines(chunks(Buffer.from(text), size))) seen.push(line);
  expect(seen).toEqual(['first', 'zweite Zeile mit ü und 💾', '{"third":3}']);
});

test('nothing more is read than the consumer has asked for', async () => {
  let read = 0;
  async function* endless() {
    for (;;) yield Promise.resolve(Buffer.from(`line ${++read}\n`));
  }
  for await (const line of lines(endless())) {
    if (line === 'line 3') break;
  }
  expect(read).toBe(3);
});

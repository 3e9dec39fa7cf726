import { expect, test } from 'vitest';
import { wrongDigest } from './failure.ts';

const expected = `sha256:${'a'.repeat(64)}`;
const actual = `sha256:${'b'.repeat(64)}`;

test('an answer that could be guessed is reported neither by its digest nor by its size', () => {
  for (const bytes of [0, 1, 12345, 64 * 1024 - 1]) {
    const { message } = wrongDigest(expected, actual, bytes);
    expect(message).toBe(
      `What came is shorter than 65536 bytes and does not have digest ${expected}; upload the right archive or create a new version`,
    );
  }
});

test('another archive is reported by its digest and its size', () => {
  const { message } = wrongDigest(expected, actual, 64 * 1024);
  expect(message).toContain(`(65536 bytes) has digest ${actual} and not ${expected}`);
});

import { expect, test } from 'vitest';
import { createParser } from './events.ts';

test('events come out whole however they were cut, and signs of life are none', () => {
  const text = 'data: {"a":1}\n\n: alive\n\ndata: {"b":"two\\n"}\n\n';
  for (let size = 1; size <= text.length; size += 1) {
    const parse = createParser();
    const found: string[] = [];
    for (let from = 0; from < text.length; from += size) found.push(...parse(text.slice(from, from + size)));
    expect(found, `pieces of ${size}`).toEqual(['{"a":1}', '{"b":"two\\n"}']);
  }
});

test('what is not whole yet waits', () => {
  const parse = createParser();
  expect(parse('data: {"a"')).toEqual([]);
  expect(parse(':1}\n')).toEqual([]);
  expect(parse('\ndata: ')).toEqual(['{"a":1}']);
});

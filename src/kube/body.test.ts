import { loadAll } from 'js-yaml';
import { expect, test } from 'vitest';
import { encodeBody } from './body.ts';

test('a body means the same in JSON and in YAML, for each character of the basic plane and some above', () => {
  const text = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)).join(' ') + '😀\u{10ffff}';
  const body = encodeBody({ text, nested: [{ text }] });
  const kept = { text: text.toWellFormed(), nested: [{ text: text.toWellFormed() }] };
  expect(JSON.parse(body)).toEqual(kept);
  expect(loadAll(body)).toEqual([kept]);
});

test('names of members are text too', () => {
  expect(JSON.parse(encodeBody({ 'a\ud800': { 'b\udc00': 1 } }))).toEqual({ 'a\ufffd': { 'b\ufffd': 1 } });
});

test('what is undefined is left out, as ever', () => {
  expect(encodeBody({ a: undefined, b: null, c: 0 })).toBe('{"b":null,"c":0}');
});

import { expect, test } from 'vitest';
import { JsonError, parseJson } from './json.ts';

const limits = { bytes: 1000, values: 10 };
const parse = (text: string, changes = {}) => parseJson(Buffer.from(text), { ...limits, ...changes });

test.each<[string]>([
  ['1'],
  ['"a,b[{\\",\\\\"'],
  ['{"a":[1,2,3],"b":{"c":"[[[[[,,,,,,,,,,,"}}'],
  ['[1,2,3,4,5,6,7,8,9]'],
])('gives what %s says', (text) => expect(parse(text)).toEqual(JSON.parse(text)));

test.each<[string, string, string]>([
  ['has more bytes', `"${'x'.repeat(1000)}"`, 'has more than 1000 bytes'],
  ['has more values in a list', '[1,2,3,4,5,6,7,8,9,10,11]', 'has more than 10 values'],
  ['has more values in nested lists', `${'[{"a":'.repeat(6)}1${'}]'.repeat(6)}`, 'has more than 10 values'],
  ['has more members', `{${Array.from({ length: 11 }, (_, i) => `"${i}":1`).join()}}`, 'has more than 10 values'],
  ['is no JSON', '{"a":geheim', 'is no JSON'],
  ['is empty', '', 'is no JSON'],
])('refuses a text that %s', (_name, text, said) => {
  expect(() => parse(text)).toThrow(new JsonError(said));
});

test.each<[string, Buffer, string]>([
  ['bytes that are no UTF-8', Buffer.from('"\xff"', 'latin1'), 'is no JSON'],
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le'), 'is no JSON'],
  ['half of a character', Buffer.from('{"a":["\\ud800"]}'), 'has half of a character (a lone surrogate)'],
  ['half of a character in a name', Buffer.from('{"\\udc00":1}'), 'has half of a character (a lone surrogate)'],
])('refuses %s: others would read another text', (_name, text, said) => {
  expect(() => parseJson(text, limits)).toThrow(new JsonError(said));
});

test('takes characters of two halves, and a backslash before what looks like one half', () => {
  expect(parse('["\\ud83d\\ude00","\\\\ud800"]')).toEqual(['😀', '\\ud800']);
});

test('refuses a text that is nested deeper than anybody nests', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  expect(() => parse(nested(64), { values: 1000 })).not.toThrow();
  expect(() => parse(nested(65), { values: 1000 })).toThrow(new JsonError('is nested deeper than 64 levels'));
});

test('refuses many values before it makes anything of them', () => {
  const many = Buffer.from(`[${'{},'.repeat(1_300_000)}{}]`);
  const before = process.memoryUsage().heapUsed;
  expect(() => parseJson(many, { bytes: 4 * 1024 * 1024, values: 20_000 })).toThrow('has more than 20000 values');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
});

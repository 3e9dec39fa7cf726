import { expect, test } from 'vitest';
import { decode, encode } from './protobuf.ts';
import type { Message } from './protobuf.ts';

const inner: Message = { 1: { name: 'key', type: 'string' }, 2: { name: 'value', type: 'string' } };
const message: Message = {
  1: { name: 'text', type: 'string' },
  2: { name: 'number', type: 'int' },
  3: { name: 'flag', type: 'bool' },
  4: { name: 'list', type: 'string', repeated: true },
  5: { name: 'map', type: 'map' },
  6: { name: 'parts', type: inner, repeated: true },
  7: { name: 'bytes', type: 'bytes' },
};

test('what is written is read again', () => {
  const fields = {
    text: 'grün',
    number: 1 << 30,
    flag: true,
    list: ['a', '', 'c'],
    map: { a: '1', b: '' },
    parts: [{ key: 'k', value: 'v' }, { key: 'only' }],
  };
  expect(decode(message, encode(message, fields))).toEqual(fields);
});

test('the bytes are those of the documentation of Protocol Buffers', () => {
  expect(encode({ 1: { name: 'a', type: 'int' } }, { a: 150 })).toEqual(Buffer.from('089601', 'hex'));
  expect(encode({ 2: { name: 'b', type: 'string' } }, { b: 'testing' })).toEqual(
    Buffer.from('120774657374696e67', 'hex'),
  );
  expect(decode({ 1: { name: 'a', type: 'int' } }, Buffer.from('08feffffffffffffffff01', 'hex'))).toEqual({ a: -2 });
});

test('fields that are not known are skipped, whatever their type', () => {
  const unknown = Buffer.from('5801' + '620161' + '690102030405060708' + '7501020304', 'hex');
  expect(decode(message, Buffer.concat([unknown, encode(message, { text: 'x' })]))).toEqual({ text: 'x' });
});

test.each([
  ['a number that is cut short', '1080'],
  ['a number of more than ten bytes', `10${'80'.repeat(11)}01`],
  ['a text that is longer than the message', '0a05ff'],
  ['a text where a number should be', '120161'],
  ['a group', '5b'],
])('%s is refused', (_name, hex) => {
  expect(() => decode(message, Buffer.from(hex, 'hex'))).toThrow();
});

test('a value of another type is not written', () => {
  expect(() => encode(message, { text: 1 })).toThrow('text');
});

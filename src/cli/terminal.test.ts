import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createScreen, duration, printable, printableLines, table } from './terminal.ts';

/** A screen on a stream that is a terminal or is none, and what was written to it. */
function screenOn(isTTY: boolean, now: () => number) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), {
    isTTY,
    columns: 20,
  }) as unknown as NodeJS.WriteStream;
  return { screen: createScreen(stream, now), written: () => String((stream as unknown as PassThrough).read() ?? '') };
}

test('columns are as wide as their widest cell, whatever its colour', () => {
  expect(table([['\x1b[32mok\x1b[39m', 'one'], ['failed', '']])).toEqual(['\x1b[32mok\x1b[39m      one', 'failed']); // prettier-ignore
});

test.each([
  [0.04, '0.0 s'],
  [9.96, '10.0 s'],
  [59.4, '59 s'],
  [65, '1 min 05 s'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  ['plain text', 'a b\u00e9', 'a b\u00e9'],
  ['several lines', 'a\n\tb', 'a b'],
  ['colours, titles, the other way to begin them, text from right to left', '\x1b[31m\x07\x9b1m\u202e', '?[31m??1m?'],
])('no terminal obeys %s', (_case, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test('lines of others stay as far in as they are', () => {
  expect(printableLines('Error: it failed\n    log\tline\u001b[2J\n')).toBe('Error: it failed\n    log line?[2J\n');
});

test('on a terminal progress is one line, cut at its width, that the next line replaces', () => {
  const { screen, written } = screenOn(true, () => 0);
  screen.progress('fetching a very long file');
  screen.line('done');
  expect(written()).toBe('fetching a very lo…\r\x1b[2Kdone\n');
});

test('progress of several lines is replaced as a whole', () => {
  const { screen, written } = screenOn(true, () => 0);
  screen.progress('one\n  two of a very long file');
  screen.progress('other');
  expect(written()).toBe('one\n  two of a very lo…\r\x1b[1A\x1b[Jother');
});

test('elsewhere progress is a line now and then, and only when it has changed', () => {
  let time = 0;
  const { screen, written } = screenOn(false, () => time);
  screen.progress('1 of 3');
  screen.progress('2 of 3');
  time = 6;
  screen.progress('1 of 3');
  expect(written()).toBe('1 of 3\n');
  screen.progress('3 of 3');
  screen.line('done');
  expect(written()).toBe('3 of 3\ndone\n');
});

test('what is replaced fits into the terminal, which could not go back to what is above it', () => {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 60, rows: 4 });
  const screen = createScreen(stream);
  screen.progress('1\n2\n3');
  screen.progress('1\n2\n3\n4\n5');
  screen.line('end');
  const all = String(stream.read());
  expect(all).toBe(
    '1\n2\n3\r\x1b[2A\x1b[J1\n2\n... 3 more lines: the terminal is too low for them\r\x1b[2A\x1b[Jend\n',
  );
});

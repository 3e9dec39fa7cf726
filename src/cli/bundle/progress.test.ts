import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { createScreen } from '../terminal.ts';
import { screenProgress } from './progress.ts';

const step = { number: 3, of: 7, name: 'packages', what: 'installing nginx' };

test('what a program says makes a terminal do nothing', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
  const progress = screenProgress(createScreen(stream));
  progress.begin(step);
  progress.line('\u001b[2Jgone');
  expect(String(stream.read()).replaceAll('\u001b[2K', '')).not.toContain('\u001b[2J');
});

test('on a terminal the last line of the log is live, and what is done stays with its time', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
  const progress = screenProgress(createScreen(stream));
  progress.begin(step);
  progress.line('Get:1 http://mirror.example/debian bookworm/main amd64 libpcre2');
  progress.end(step, 12_000);
  const written = String(stream.read()).split('\r').map(stripVTControlCharacters);
  expect(written).toEqual([
    'Step 3 of 7: packages: installing nginx',
    'Step 3 of 7: packages: Get:1 http://mirror.example/debian …',
    'done 3/7 packages: installing nginx (12 s)\n',
  ]);
});

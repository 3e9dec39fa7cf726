import { expect, test } from 'vitest';
import { createSteps, lineProgress, seconds } from './steps.ts';

test('steps are counted and timed, and what happens in them is reported between', async () => {
  const lines: string[] = [];
  const progress = lineProgress((line) => lines.push(line));
  let now = 0;
  const steps = createSteps(2, progress, () => now);
  await steps.run('base', 'bookworm', () => {
    progress.line('I: downloading');
    now = 12_000;
    return Promise.resolve();
  });
  await expect(steps.run('run', '1 command', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(lines).toEqual([
    '==> Step 1 of 2: base: bookworm',
    '    I: downloading',
    '==> Step 1 of 2: base: done in 12 s',
    '==> Step 2 of 2: run: 1 command',
  ]);
});

test.each([
  [40, '0.0 s'],
  [3_210, '3.2 s'],
  [9_960, '10 s'],
  [59_400, '59 s'],
  [125_000, '2 min 5 s'],
])('%d ms are %s', (milliseconds, text) => {
  expect(seconds(milliseconds)).toBe(text);
});

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Without what vitest tells its own workers. */
const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };

function fuzz(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(join(import.meta.dirname, '../../fuzz'), args, {
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr };
}

test(
  'the simulation of all reconcilers runs with the seeds and events that are asked for',
  { timeout: 120_000 },
  () => {
    const { status, stdout } = fuzz('controllers', '--seeds', '77,1', '--events', '3');
    expect(stdout).toContain('Seeds from 77 on, 1 of them, with 3 events each');
    expect(stdout).toMatch(/Tests .*1 passed/);
    expect(status).toBe(0);
  },
);

test.for([
  { args: ['controllers', '--seeds', '2,0'], problem: "--seeds is '2,0'" },
  { args: ['controllers', '--seeds', 'many'], problem: "--seeds is 'many'" },
  { args: ['controllers', '--events', '0'], problem: "--events is '0'" },
  { args: ['controllers', '--events'], problem: '--events needs a value' },
  { args: ['controllers', '7'], problem: 'unknown argument 7' },
  { args: ['60s'], problem: 'unknown argument 60s' },
  { args: ['agents'], problem: 'unknown argument agents' },
])('$args is refused, and the usage is reported', ({ args, problem }) => {
  const { status, stdout, stderr } = fuzz(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(problem);
  expect(stderr).toContain('Usage:');
});

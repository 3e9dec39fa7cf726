import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const beside = ['src/**/*.test.ts', 'hack/**/*.test.ts', 'scaffold/**/*.test.ts'];

/** A test, or a fixture of it, starts programs: as root, on real files, on loop devices, with a registry. */
function startsPrograms(file: string, seen = new Set<string>()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  if (text.includes("from 'node:child_process'")) return true;
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
    .map(([, path = '']) => join(dirname(file), path))
    .filter((path) => existsSync(path) && !relative(root, path).startsWith('src/'))
    .some((path) => startsPrograms(path, seen));
}

/** Needs nothing of the machine but its time. */
const long = ['src/controllers/simulation.test.ts'];
const machine = [...long, ...globSync(beside, { cwd: root }).filter((file) => startsPrograms(join(root, file)))];

// Four kinds of test, cheapest first: pure (unit), programs and files of this machine (machine), a real API server (integration), real
// nodes (e2e).
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: beside,
          exclude: ['**/node_modules/**', ...machine],
          // On a machine that is busy.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'machine',
          include: machine,
          // Some start many programs, on a machine that may be busy.
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          // Several waits for a state, each as long as `waitSeconds` of test/integration/eventually.ts.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});

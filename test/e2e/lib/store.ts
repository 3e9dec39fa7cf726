import { expect } from 'vitest';
import { hostRoot } from '../../../src/api/names.ts';
import { hack } from './system.ts';

const directories = ['store', 'staging', 'trash'].map((name) => `${hostRoot}/${name}`);
const unfinished = directories.slice(1);

const find = (node: string, ...expression: string[]) => hack('cluster', 'node', 'exec', node, 'find', ...expression);

/** What the store of a node has, two levels deep: also what the agent has not finished. */
export const storeOf = (node: string): Promise<string> =>
  find(node, ...directories, '-mindepth', '1', '-maxdepth', '2');

/**
 * Waits until the agent of a node has nothing unfinished. It also has a directory in `staging` for a moment while it measures or
 * verifies what is stored, so one look does not tell.
 */
export const nothingUnfinished = (node: string): Promise<void> =>
  expect.poll(() => find(node, ...unfinished, '-mindepth', '1'), { timeout: 60_000 }).toBe('');

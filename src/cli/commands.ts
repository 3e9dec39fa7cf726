import type { Command } from './command.ts';
import { diff } from './commands/diff.ts';

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [diff];

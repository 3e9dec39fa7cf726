import type { Command } from './command.ts';
import { bundleBuild } from './commands/bundle-build.ts';
import { completion } from './commands/completion.ts';
import { diff } from './commands/diff.ts';
import { fleet } from './commands/fleet.ts';
import { imageImport } from './commands/image-import.ts';
import { rolloutPause, rolloutResume } from './commands/rollout-pause.ts';
import { rolloutRetry } from './commands/rollout-retry.ts';
import { rolloutStatus } from './commands/rollout-status.ts';
import { rolloutUndo } from './commands/rollout-undo.ts';
import { version } from './commands/version.ts';
import { why } from './commands/why.ts';

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  fleet,
  why,
  rolloutStatus,
  rolloutPause,
  rolloutResume,
  rolloutRetry,
  rolloutUndo,
  diff,
  imageImport,
  bundleBuild,
  version,
  completion,
];

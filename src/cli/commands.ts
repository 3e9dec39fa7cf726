import type { Command } from './command.ts';
import { bundleBuild } from './commands/bundle-build.ts';
import { completion } from './commands/completion.ts';
import { dashboard } from './commands/dashboard.ts';
import { diff } from './commands/diff.ts';
import { fleet } from './commands/fleet.ts';
import { gateTest } from './commands/gate-test.ts';
import { imageImport } from './commands/image-import.ts';
import { rolloutPause, rolloutResume } from './commands/rollout-pause.ts';
import { rolloutRestart } from './commands/rollout-restart.ts';
import { rolloutRetry } from './commands/rollout-retry.ts';
import { rolloutStatus } from './commands/rollout-status.ts';
import { rolloutUndo } from './commands/rollout-undo.ts';
import { version } from './commands/version.ts';
import { why } from './commands/why.ts';
import { events } from './commands/events.ts';
import { history } from './commands/history.ts';
import { images } from './commands/images.ts';
import { logs } from './commands/logs.ts';
import { nodes } from './commands/nodes.ts';
import { rehearse } from './commands/rehearse.ts';
import { restart } from './commands/restart.ts';
import { retry } from './commands/retry.ts';
import { rollback } from './commands/rollback.ts';
import { status } from './commands/status.ts';
import { tree } from './commands/tree.ts';
import { upgrade } from './commands/upgrade.ts';
import { wait } from './commands/wait.ts';
import { resume, suspend } from './commands/suspend.ts';
import { check } from './commands/check.ts';
import { plan } from './commands/plan.ts';
import { lint } from './commands/lint.ts';
import { supportBundle } from './commands/support-bundle.ts';
import { whoHas } from './commands/who-has.ts';

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  status,
  why,
  tree,
  fleet,
  images,
  nodes,
  history,
  dashboard,
  events,
  logs,
  upgrade,
  rollback,
  retry,
  restart,
  suspend,
  resume,
  wait,
  plan,
  rehearse,
  rolloutStatus,
  rolloutPause,
  rolloutResume,
  rolloutRestart,
  rolloutRetry,
  rolloutUndo,
  gateTest,
  check,
  lint,
  supportBundle,
  diff,
  whoHas,
  imageImport,
  bundleBuild,
  version,
  completion,
];

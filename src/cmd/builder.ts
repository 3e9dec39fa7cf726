import { join } from 'node:path';
import { answerFile, recipeDirectory, secretsDirectory, workDirectory } from '../api/buildrun.ts';
import { proxiesOf } from '../image/download/connect.ts';
import { runJob } from '../builder/main.ts';
import { architectureOf } from '../builder/ports.ts';
import { createPrograms } from '../builder/programs.ts';
import { secretsIn } from '../builder/secrets.ts';
import { lineProgress } from '../builder/steps.ts';

/**
 * Builds an image and pushes it (`build`), or publishes one that was built (`publish DIGEST`): one process in a Job. Where it
 * finds its recipe and leaves its answer is in src/api/buildrun.ts; other places are for tests.
 */

const { env } = process;
const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const)
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));

const write = (line: string) => void process.stdout.write(`${line}\n`);
const work = env.WORK_DIRECTORY ?? workDirectory;
// Also of this process: the root of its container may be read-only.
const temporary = join(work, 'build/tmp');
env.TMPDIR = temporary;
const progress = lineProgress(write);
const ports = {
  work,
  programs: createPrograms({
    tell: (line) => progress.line(line),
    signal: stop.signal,
    env: { TMPDIR: temporary },
  }),
  architecture: architectureOf(process.arch),
  tools: { crane: env.CRANE ?? 'crane', syft: env.SYFT ?? 'syft', cosign: env.COSIGN ?? 'cosign' },
  readSecret: secretsIn(env.SECRETS_DIRECTORY ?? secretsDirectory),
  sandbox: env.SANDBOX_DIRECTORY,
  resolvConf: '/etc/resolv.conf',
  proxies: proxiesOf(env),
  progress,
  signal: stop.signal,
};

process.exit(
  await runJob({
    args: process.argv.slice(2),
    recipeDirectory: env.RECIPE_DIRECTORY ?? recipeDirectory,
    answerFile: env.ANSWER_FILE ?? answerFile,
    ports,
    write,
  }),
);

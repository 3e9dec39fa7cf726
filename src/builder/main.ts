import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipeFile } from '../api/buildrun.ts';
import type { Recipe } from '../api/buildrun.ts';
import { buildAndPush } from './build.ts';
import { BuildError, failureAnswer, toBuildError } from './failure.ts';
import type { BuilderPorts } from './ports.ts';
import { publish } from './publish.ts';
import { readRecipe } from './recipe.ts';

/** What a Job does: it builds or publishes, and leaves its answer. */
export interface BuilderJob {
  /** `build`, or `publish` and a digest. */
  args: readonly string[];
  recipeDirectory: string;
  answerFile: string;
  ports: BuilderPorts;
  write: (line: string) => void;
}

/** Does it; gives the exit code. */
export async function runJob({ args, recipeDirectory, answerFile, ports, write }: BuilderJob): Promise<number> {
  const answer = async (content: object) => writeFile(answerFile, JSON.stringify(content));
  try {
    const work = chooseWork(args);
    const done = await work(await readRecipe(join(recipeDirectory, recipeFile)), ports);
    await answer(done);
    write(`Done: ${JSON.stringify(done)}`);
    return 0;
  } catch (error) {
    const failure = ports.signal.aborted
      ? new BuildError('Stopped', 'The build was stopped before it was done; try again')
      : toBuildError(error);
    write(`Failed: ${failure.reason}: ${failure.message}`);
    await answer(failureAnswer(failure));
    return 1;
  }
}

function chooseWork([command, digest = '', ...more]: readonly string[]): (
  recipe: Recipe,
  ports: BuilderPorts,
) => Promise<object> {
  if (command === 'build' && digest === '') return buildAndPush;
  if (command === 'publish' && /^sha256:[0-9a-f]{64}$/.test(digest) && more.length === 0) {
    return (recipe, ports) => publish(recipe, digest, ports);
  }
  throw new BuildError('BuildFailed', 'There are two commands: build, and publish DIGEST');
}

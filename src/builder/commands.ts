import { because } from './failure.ts';
import { withChroot } from './chroot.ts';
import type { TreeStep } from './ports.ts';
import { truncate } from '../runtime/text.ts';

/** Runs the commands of the recipe in the tree, one after the other. */
export async function runCommands({ root, recipe, ports }: TreeStep): Promise<void> {
  const { run = [], sourceDateEpoch } = recipe.build;
  if (run.length === 0) return;
  await withChroot(root, sourceDateEpoch, ports, async (chroot) => {
    for (const [index, command] of run.entries()) {
      ports.progress.line(`+ ${firstLine(command)}`);
      const what = `Command ${index + 1} of ${run.length} failed (${firstLine(command)})`;
      await chroot.run(['/bin/sh', '-ec', command]).catch(because('CommandFailed', what, 'correct source.build.run'));
    }
  });
}

function firstLine(command: string): string {
  const [first = '', ...more] = command.trim().split('\n');
  return first.length <= 100 && more.length > 0 ? `${first} …` : truncate(first, 100);
}

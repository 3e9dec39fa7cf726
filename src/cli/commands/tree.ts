import { CommandError, defineCommand, exitCodes, watchOption } from '../command.ts';
import { readScene } from '../scene/scene.ts';
import { treeLines } from '../views/tree.ts';
import { showWatching } from '../watch.ts';

/** Everything, and how it belongs together. */
export const tree = defineCommand({
  name: ['tree'],
  summary: 'Distributions, versions, nodes and containers of an operating system as a tree',
  positionals: ['[OS]'],
  options: watchOption,
  description: `Containers of the same state are one line. -n shows the containers of one namespace only.`,
  examples: ['kubectl monoroot tree', 'kubectl monoroot tree debian-12 -n shops'],
  async run(context, { values, positionals: [os] }) {
    const { client } = context.cluster();
    await showWatching(context, values.watch, async () => {
      const scene = await readScene(client, values.namespace);
      const lines = treeLines(scene, os, context.now());
      if (lines.length === 0)
        throw new CommandError(os === undefined ? 'There are no images yet' : `There is no image of ${os}`);
      return { lines };
    });
    return exitCodes.done;
  },
});

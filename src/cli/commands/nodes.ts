import { nodeStores } from '../../kube/kinds.ts';
import { defineCommand, exitCodes, objectOutput, watchOption } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { table } from '../terminal.ts';
import { nodeRows } from '../views/nodes.ts';
import { showWatching } from '../watch.ts';

/** The stores of all nodes. */
export const nodes = defineCommand({
  name: ['nodes'],
  summary: 'Nodes: images, disk, and what holds one up',
  options: { ...objectOutput, ...watchOption },
  description: `IMAGES: that are whole in the store, of those that are wanted there; more while earlier versions are retained. USED is what all images take
together. -o wide names each image that is not ready, and why.`,
  examples: ['kubectl monoroot nodes', 'kubectl monoroot nodes -o wide -w'],
  async run(context, { values }) {
    const { client } = context.cluster();
    const read = () => client.list(nodeStores);
    if (isStructured(values.output)) context.out.line(structured(values.output, await read()));
    else if (values.output === 'name')
      for (const { metadata } of await read()) context.out.line(`nodestore/${metadata.name}`);
    else
      await showWatching(context, values.watch, async () => ({
        lines: table(nodeRows(await read(), values.output === 'wide')),
      }));
    return exitCodes.done;
  },
});

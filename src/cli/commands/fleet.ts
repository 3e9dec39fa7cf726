import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import { defineCommand, exitCodes, reportOutput, watchOption } from '../command.ts';
import { renderFleet } from '../fleet/render.ts';
import { summarizeFleet } from '../fleet/summarize.ts';
import { isStructured, structured } from '../output.ts';
import { showWatching } from '../watch.ts';

/** Who runs what, in one view. */
export const fleet = defineCommand({
  name: ['fleet'],
  summary: 'Versions, nodes and containers of each operating system',
  options: {
    os: { type: 'string', value: 'NAME', help: 'only this operating system' },
    ...reportOutput,
    ...watchOption,
  },
  description: `NODES: that have all of the version, of those that should. RUNNING: containers that run it now. TARGET: that are on their way to
it. FAILED: that have it in their list of failed images, whatever they run now.`,
  examples: ['kubectl monoroot fleet', 'kubectl monoroot fleet --os debian-12 -o json'],
  async run(context, { values }) {
    const { client } = context.cluster();
    const { namespace, os } = values;
    await showWatching(context, values.watch, async () => {
      const [images, distributions, stores, containers] = await Promise.all([
        client.list(osImages),
        client.list(imageDistributions),
        client.list(nodeStores),
        client.list(hostedContainers, namespace === undefined ? {} : { namespace }),
      ]);
      const objects = { osImages: images, distributions, nodeStores: stores, containers };
      const shown = summarizeFleet(objects, context.now()).filter((it) => os === undefined || it.os === os);
      const isFormat = isStructured(values.output) ? values.output : undefined;
      if (shown.length === 0)
        context.err.line(os === undefined ? 'There are no images yet' : `There is no image of ${os}`);
      return { lines: isFormat ? [structured(isFormat, shown)] : renderFleet(shown, context.out) };
    });
    return exitCodes.done;
  },
});

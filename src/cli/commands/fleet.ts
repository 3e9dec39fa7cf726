import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import { defineCommand, exitCodes, outputOption } from '../command.ts';
import { renderFleet } from '../fleet/render.ts';
import { summarizeFleet } from '../fleet/summarize.ts';

/** Who runs what, in one view. */
export const fleet = defineCommand({
  name: ['fleet'],
  summary: 'Versions, nodes and containers of each operating system',
  options: {
    os: { type: 'string', value: 'NAME', help: 'only this operating system' },
    ...outputOption,
  },
  description: `NODES: that have all of the version, of those that should. RUNNING: containers that run it now. TARGET: that are on their way to
it. FAILED: that have it in their list of failed images, whatever they run now.`,
  examples: ['kubectl monoroot fleet', 'kubectl monoroot fleet --os debian-12 -o json'],
  async run({ out, err, cluster, now }, { values }) {
    const { client } = cluster();
    const { namespace } = values;
    const [images, distributions, stores, containers] = await Promise.all([
      client.list(osImages),
      client.list(imageDistributions),
      client.list(nodeStores),
      client.list(hostedContainers, namespace === undefined ? {} : { namespace }),
    ]);
    const objects = { osImages: images, distributions, nodeStores: stores, containers };
    const all = summarizeFleet(objects, now());
    const shown = values.os === undefined ? all : all.filter(({ os }) => os === values.os);
    if (shown.length === 0)
      err.line(values.os === undefined ? 'There are no images yet' : `There is no image of ${values.os}`);
    if (values.output === 'json') out.line(JSON.stringify(shown, null, 2));
    else for (const line of renderFleet(shown, out)) out.line(line);
    return exitCodes.done;
  },
});

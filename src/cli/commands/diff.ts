import { fixedImage } from '../../api/meta.ts';
import { nodeStores, osImages } from '../../kube/kinds.ts';
import { CommandError, UsageError, defineCommand, exitCodes, outputOption } from '../command.ts';
import type { Cluster } from '../cluster.ts';
import type { Context } from '../command.ts';
import { chooseAgents } from '../diff/agents.ts';
import type { Agent } from '../diff/agents.ts';
import { askAgent } from '../diff/ask.ts';
import { compareImages } from '../diff/compare.ts';
import type { Comparison } from '../diff/compare.ts';
import { LostOutput, readInspection } from '../diff/inspection.ts';
import { differs, renderJson, renderText } from '../diff/render.ts';
import type { Parts } from '../diff/render.ts';
import { findSystemNamespace, podsOf } from '../system.ts';

const attempts = 3;

/** How two images differ, from what nodes have stored of them. */
export const diff = defineCommand({
  name: ['diff'],
  summary: 'Packages and files that differ between two images',
  positionals: ['IMAGE', 'IMAGE'],
  completes: [['Image']],
  options: {
    files: { type: 'boolean', help: 'only files, and all of them' },
    packages: { type: 'boolean', help: 'only packages' },
    'system-namespace': {
      type: 'string',
      value: 'NAME',
      help: 'namespace of the agents; by default the one in which the operator is found',
    },
    ...outputOption,
  },
  description: `An IMAGE is <os>:<version>, and must be on at least one node: its agent is asked, with kubectl exec, what the image holds.
Files that changed with their package are only counted, unless --files is given.
The exit code is 0 when nothing differs, 1 when something does, 2 when that could not be found out.`,
  examples: [
    'kubectl monoroot diff debian-12:v35 debian-12:v36',
    'kubectl monoroot diff debian-12:v35 debian-12:v36 --packages -o json',
  ],
  async run(context, { values, positionals: [before = '', after = ''] }) {
    for (const image of [before, after]) {
      if (!fixedImage.safeParse(image).success) throw new UsageError(`${image} is no image: it must be <os>:<version>`);
    }
    const parts: Parts = {
      packages: values.packages === true || values.files !== true,
      files: values.files === true ? 'all' : values.packages === true ? 'none' : 'unexplained',
    };
    const namespace = values['system-namespace'] ?? (await findSystemNamespace(context.cluster().client));
    const comparison = await compare(context, before, after, namespace);
    const lines =
      values.output === 'json'
        ? [JSON.stringify(renderJson(comparison, parts), null, 2)]
        : renderText(comparison, parts, context.out);
    for (const line of lines) context.out.line(line);
    return differs(comparison, parts) ? exitCodes.no : exitCodes.done;
  },
});

async function compare(context: Context, before: string, after: string, namespace: string): Promise<Comparison> {
  const cluster = context.cluster();
  const agents = chooseAgents(before, after, await readFleet(cluster, namespace));
  const ports = { ...context, kubectlOptions: cluster.kubectlOptions, namespace };
  const read = (agent: Agent, image: string) => readInspection(askAgent(agent, image, ports));
  for (let attempt = 1; ; attempt++) {
    try {
      const sides = await Promise.all([read(agents.before, before), read(agents.after, after)]);
      return await compareImages(...sides);
    } catch (error) {
      // kubectl may lose the end of an output (kubernetes issue 124571).
      if (!(error instanceof LostOutput)) throw error;
      if (attempt === attempts)
        throw new CommandError(`${error.message}, ${attempts} times; try again`, { cause: error });
    }
  }
}

async function readFleet({ client }: Cluster, namespace: string) {
  const [images, stores, agents] = await Promise.all([
    client.list(osImages),
    client.list(nodeStores),
    podsOf(client, namespace, 'agent'),
  ]);
  return { osImages: images, nodeStores: stores, pods: agents };
}

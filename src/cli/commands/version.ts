import { ApiError } from '../../runtime/errors.ts';
import { defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Context } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { findSystemNamespace, podsOf } from '../system.ts';
import { table } from '../terminal.ts';

interface Part {
  name: string;
  /** Images, with how many Pods run them. */
  images: { image: string; pods: number }[];
}

/** Versions of the plugin, the cluster and what runs in it. */
export const version = defineCommand({
  name: ['version'],
  summary: 'Versions of the plugin, of Kubernetes, of the operator and of the agents',
  options: {
    client: { type: 'boolean', help: 'only that of the plugin; no cluster is asked' },
    ...reportOutput,
  },
  description: `The operator and the agents are named by the images of their Pods. Agents of several images are an update that is under way, or
that has stopped. The plugin works with any version of them; it warns, and never refuses.`,
  examples: ['kubectl monoroot version', 'kubectl monoroot version --client'],
  async run(context, { values }) {
    const known = { client: context.version, node: process.version };
    const answer = values.client === true ? known : { ...known, ...(await askCluster(context)) };
    if (isStructured(values.output)) context.out.line(structured(values.output, answer));
    else for (const line of lines(answer)) context.out.line(line);
    return exitCodes.done;
  },
});

async function askCluster({ cluster, err }: Context) {
  const { connection, client } = cluster();
  const { gitVersion } = JSON.parse(await connection.request({ method: 'GET', path: '/version' })) as {
    gitVersion: string;
  };
  const namespace = await findSystemNamespace(client);
  const read = (component: 'operator' | 'agent') => podsOf(client, namespace, component);
  try {
    const [operators, agents] = await Promise.all([read('operator'), read('agent')]);
    return { kubernetes: gitVersion, parts: [partOf('operator', operators), partOf('agent', agents)] };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    err.line(`The Pods of ${namespace} cannot be listed, so operator and agents are not known: ${error.message}`);
    return { kubernetes: gitVersion };
  }
}

function partOf(name: string, found: readonly Pod[]): Part {
  const images = found.map(({ spec }) => spec.containers[0]?.image ?? 'unknown');
  return { name, images: [...Map.groupBy(images, (it) => it)].map(([image, all]) => ({ image, pods: all.length })) };
}

function lines({
  client,
  node,
  kubernetes,
  parts = [],
}: {
  client: string;
  node: string;
  kubernetes?: string;
  parts?: Part[];
}): string[] {
  return table([
    ['plugin', `${client} (Node ${node})`],
    ...(kubernetes === undefined ? [] : [['kubernetes', kubernetes]]),
    ...parts.map(({ name, images }) => [
      name,
      images.length === 0
        ? 'not there: no Pod'
        : images.map(({ image, pods: count }) => `${image} (${count} ${count === 1 ? 'Pod' : 'Pods'})`).join(', '),
    ]),
  ]);
}

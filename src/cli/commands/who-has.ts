import { imageName } from '../../api/images.ts';
import { CommandError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Context } from '../command.ts';
import { chooseAgents } from '../diff/agents.ts';
import { askAgent } from '../diff/ask.ts';
import { readInspection } from '../diff/inspection.ts';
import { isStructured, structured } from '../output.ts';
import { matching, parseQuery } from '../packages/query.ts';
import { readScene } from '../scene/scene.ts';
import { table } from '../terminal.ts';
import { findSystemNamespace, podsOf } from '../system.ts';

interface Holder {
  image: string;
  packages: string[];
  containers: string[];
  nodes: string[];
}

/** Which images hold a package, and who runs them. */
export const whoHas = defineCommand({
  name: ['who-has'],
  summary: 'Which images have a package, which containers run them, and where',
  positionals: ['PACKAGE'],
  options: {
    'system-namespace': {
      type: 'string',
      value: 'NAME',
      help: 'namespace of the agents; by default the one in which the operator is found',
    },
    ...reportOutput,
  },
  description: `PACKAGE is a name, or a name with <, <=, =, >= or > and a version, which are compared as dpkg does. An agent of each image is asked for its packages
(dpkg and apk), as \`diff\` does. As with grep the exit code is 0 when an image has it, 1 when none has. Images that are on no node are
named, as no agent can tell about them.`,
  examples: ["kubectl monoroot who-has 'openssl<3.0.15'", 'kubectl monoroot who-has curl -o json'],
  async run(context, { values, positionals: [text = ''] }) {
    const query = parseQuery(text);
    const cluster = context.cluster();
    const namespace = values['system-namespace'] ?? (await findSystemNamespace(cluster.client));
    const [scene, agents] = await Promise.all([
      readScene(cluster.client, undefined),
      podsOf(cluster.client, namespace, 'agent'),
    ]);
    const holders: Holder[] = [];
    for (const { spec } of scene.osImages) {
      const image = imageName(spec);
      context.err.progress(`asking about ${image}`);
      const packages = await packagesOf(context, image, { ...scene, pods: agents }, namespace);
      const found = packages ? matching(packages, query) : [];
      if (found.length === 0) continue;
      const running = scene.containers.filter(({ status }) => status?.image === image);
      holders.push({
        image,
        packages: found.map(({ name, version }) => `${name} ${version}`),
        containers: running.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`),
        nodes: [...new Set(running.flatMap(({ status }) => status?.nodeName ?? []))].sort(),
      });
    }
    if (context.stderr.isTTY === true) context.err.progress('');
    if (isStructured(values.output)) context.out.line(structured(values.output, holders));
    else for (const line of lines(holders)) context.out.line(line);
    return holders.length > 0 ? exitCodes.done : exitCodes.no;
  },
});

/** Undefined when no agent can tell; that is said. */
async function packagesOf(
  context: Context,
  image: string,
  fleet: Parameters<typeof chooseAgents>[2],
  namespace: string,
) {
  try {
    const agent = chooseAgents(image, image, fleet).before;
    const ports = { ...context, kubectlOptions: context.cluster().kubectlOptions, namespace };
    const answer = askAgent(agent, image, ports);
    try {
      return (await readInspection(answer)).packages;
    } finally {
      // Files follow the packages, and no one reads them.
      await answer.return(undefined);
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    context.err.line(`Not looked at: ${error.message}`);
    return undefined;
  }
}

const lines = (holders: readonly Holder[]) =>
  holders.length === 0
    ? ['No image has it']
    : table([
        ['IMAGE', 'PACKAGES', 'CONTAINERS', 'NODES'],
        ...holders.map(({ image, packages, containers, nodes }) => [
          image,
          packages.join(', '),
          containers.length === 0
            ? '-'
            : containers.length <= 3
              ? containers.join(', ')
              : `${containers.slice(0, 3).join(', ')} and ${containers.length - 3} more`,
          nodes.join(', ') || '-',
        ]),
      ]);

import { labels, verificationNamespace } from '../../api/names.ts';
import { pods } from '../../kube/resources.ts';
import { isRefusal } from '../../runtime/errors.ts';
import { linesOf } from '../../runtime/lines.ts';
import { CommandError, UsageError, defineCommand, exitCodes } from '../command.ts';
import type { Context } from '../command.ts';
import type { Cluster } from '../cluster.ts';
import { parseObjectRef } from '../names.ts';
import type { KindName } from '../names.ts';
import { findSystemNamespace, podsOf } from '../system.ts';
import { textOf } from '../text.ts';

interface LogSource {
  namespace: string;
  pod: string;
  container: string;
  /** Only lines with this text. */
  about?: string;
}

/** The right log of each kind. */
export const logs = defineCommand({
  name: ['logs'],
  summary: 'Log of a container, of the builds of an image, or of the agent of a node',
  positionals: ['KIND/NAME', '[NAME]'],
  completes: [['HostedContainer', 'OSImage', 'NodeStore']],
  options: {
    follow: { type: 'boolean', short: 'f', help: 'go on as it grows, until Ctrl-C' },
    previous: { type: 'boolean', short: 'p', help: 'of the run before the last restart' },
    tail: { type: 'string', value: 'LINES', help: 'only the last lines; 200 by default' },
    operator: { type: 'boolean', help: 'what the operator said of the object, instead' },
  },
  description: `hc: the container itself. osi: its build, test and publication. node: its agent. With --operator the lines of the operators that name the
object. A bare name is a HostedContainer. -f takes one log.`,
  examples: [
    'kubectl monoroot logs hctr/shop -n shops -f',
    'kubectl monoroot logs debian-12:v36',
    'kubectl monoroot logs imgdist/debian-12 --operator',
  ],
  async run(context, { values, positionals }) {
    const ref = parseObjectRef(positionals);
    if (!ref) throw new UsageError(`${positionals.join(' ')} names no kind of Monoroot; take hc, imgdist, osi or node`);
    const cluster = context.cluster();
    const kind = ref.kind ?? 'HostedContainer';
    const sources =
      values.operator === true || kind === 'ImageDistribution'
        ? await operatorOf(cluster, ref.name)
        : await sourcesOf(cluster, kind, ref.name);
    if (sources.length === 0) throw new CommandError(`There is no log of ${kind} ${ref.name}: no Pod of it is there`);
    const tail = Number(values.tail ?? '200');
    if (!Number.isInteger(tail) || tail < 0)
      throw new UsageError(`--tail takes a number of lines, and got ${values.tail ?? ''}`);
    const shown = values.follow === true ? sources.slice(0, 1) : sources;
    for (const source of shown) {
      if (shown.length > 1) context.err.line(`==> ${source.pod} (${source.container})`);
      await show(context, source, {
        follow: values.follow,
        previous: values.previous,
        tailLines: source.about === undefined ? tail : undefined,
      });
    }
    return exitCodes.done;
  },
});

async function sourcesOf(cluster: Cluster, kind: KindName, name: string): Promise<LogSource[]> {
  const { client, namespace } = cluster;
  if (kind === 'HostedContainer') {
    const found = await client.get(pods, { name, namespace });
    return found ? [{ namespace, pod: name, container: 'main' }] : [];
  }
  const system = await findSystemNamespace(client);
  if (kind === 'NodeStore') {
    const agents = await podsOf(client, system, 'agent', `spec.nodeName=${name}`);
    return agents.map(({ metadata }) => ({ namespace: system, pod: metadata.name, container: 'agent' }));
  }
  const within = await Promise.all(
    [system, verificationNamespace].map((it) => client.list(pods, { namespace: it, labelSelector: labels.step })),
  );
  const own = within
    .flat()
    .filter(({ metadata }) =>
      new RegExp(`^(build|verify|publish)-${name.replaceAll('.', '\\.')}(-|$)`).test(metadata.name),
    );
  return own.map(({ metadata, spec }) => ({
    namespace: metadata.namespace ?? '',
    pod: metadata.name,
    container: spec.containers[0]?.name ?? '',
  }));
}

async function operatorOf({ client }: Cluster, about: string): Promise<LogSource[]> {
  const namespace = await findSystemNamespace(client);
  const operators = await podsOf(client, namespace, 'operator');
  return operators.map(({ metadata }) => ({
    namespace,
    pod: metadata.name,
    container: 'operator',
    about,
  }));
}

async function show(
  { cluster, out, err, signal }: Context,
  { namespace, pod, container, about }: LogSource,
  {
    follow,
    previous,
    tailLines,
  }: { follow: boolean | undefined; previous: boolean | undefined; tailLines: number | undefined },
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`;
  try {
    const body = await cluster().connection.stream({
      method: 'GET',
      path,
      query: { container, follow, previous, tailLines },
      signal,
    });
    for await (const line of linesOf(textOf(body))) if (about === undefined || line.includes(about)) out.line(line);
  } catch (error) {
    if (signal.aborted) return;
    if (!isRefusal(error)) throw error;
    err.line(`No log of ${pod}: ${error.message}`);
  }
}

import { hostedContainers } from '../../kube/kinds.ts';
import { CommandError, UsageError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { table } from '../terminal.ts';
import { historyRows, timeline } from '../views/history.ts';
import { containerNamed } from '../write/container.ts';

/** What ran before. */
export const history = defineCommand({
  name: ['history'],
  summary: 'Versions that a container ran, or who of an operating system ran what when',
  positionals: ['[HOSTEDCONTAINER]'],
  completes: [['HostedContainer']],
  options: {
    os: { type: 'string', value: 'NAME', help: 'draw all containers of this operating system over time' },
    ...reportOutput,
  },
  description: `Out of status.history, which has the last ten versions of each container. With --os there is a line for each container and a letter for each
version, a small one where it failed; -n shows the containers of one namespace.`,
  examples: ['kubectl monoroot history hctr/shop -n shops', 'kubectl monoroot history --os debian-12'],
  async run({ cluster, out, now }, { values, positionals: [text] }) {
    const { client, namespace } = cluster();
    if ((text === undefined) === (values.os === undefined))
      throw new UsageError('Give the name of a HostedContainer, or --os NAME');
    if (text !== undefined) {
      const container = await client.get(hostedContainers, { name: containerNamed(text), namespace });
      if (!container)
        throw new CommandError(
          `There is no HostedContainer ${containerNamed(text)} in namespace ${namespace}; another one with -n`,
        );
      if (isStructured(values.output)) out.line(structured(values.output, container.status?.history ?? []));
      else for (const line of table(historyRows(container))) out.line(line);
      return exitCodes.done;
    }
    const all = await client.list(
      hostedContainers,
      values.namespace === undefined ? {} : { namespace: values.namespace },
    );
    const lines = timeline(all, values.os ?? '', now());
    if (lines.length === 0) throw new CommandError(`No container of ${values.os ?? ''} has run yet`);
    if (isStructured(values.output))
      out.line(
        structured(
          values.output,
          all.map(({ metadata, status }) => ({
            namespace: metadata.namespace,
            name: metadata.name,
            history: status?.history ?? [],
          })),
        ),
      );
    else for (const line of lines) out.line(line);
    return exitCodes.done;
  },
});

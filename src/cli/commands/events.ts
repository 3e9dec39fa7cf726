import { hostedContainers } from '../../kube/kinds.ts';
import { events as eventKind } from '../../kube/resources.ts';
import type { Event } from '../../kube/types.ts';
import { UsageError, defineCommand, exitCodes, reportOutput, watchOption } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import type { Cluster } from '../cluster.ts';
import { imageNameOf, objectNameOf, parseObjectRef } from '../names.ts';
import type { ObjectRef } from '../names.ts';
import { printable, table } from '../terminal.ts';
import { showWatching } from '../watch.ts';

/** What happened to an object and to what it depends on. */
export const events = defineCommand({
  name: ['events'],
  summary: 'Events of an object and of what it depends on, oldest first',
  positionals: ['[KIND/NAME]', '[NAME]'],
  completes: [['HostedContainer', 'ImageDistribution', 'OSImage', 'NodeStore']],
  options: { warnings: { type: 'boolean', help: 'only warnings' }, ...reportOutput, ...watchOption },
  description: `Of a HostedContainer also those of its Pod, its image and the distribution of that. Without an argument those of all objects of Monoroot. Kubernetes
keeps events for an hour.`,
  examples: ['kubectl monoroot events hctr/shop -n shops', 'kubectl monoroot events --warnings -w'],
  async run(context, { values, positionals }) {
    const ref = positionals.length === 0 ? undefined : parseObjectRef(positionals);
    if (positionals.length > 0 && !ref) {
      throw new UsageError(`${positionals.join(' ')} names no kind of Monoroot; take hc, imgdist, osi or node`);
    }
    const cluster = context.cluster();
    const asked = ref && (await namesAround(cluster, ref));
    const read = async () => {
      const found = await list(cluster, asked?.namespace);
      const isAsked = (it: Event) => (asked ? asked.names.has(it.regarding?.name ?? '') : isMonoroot(it.regarding));
      return found
        .filter((it) => isAsked(it) && isOurs(it.regarding) && (values.warnings !== true || it.type === 'Warning'))
        .sort((a, b) => timeOf(a) - timeOf(b));
    };
    if (isStructured(values.output)) context.out.line(structured(values.output, await read()));
    else {
      await showWatching(context, values.watch, async () => {
        const rows = (await read()).map((it) => [
          new Date(timeOf(it)).toISOString().slice(11, 19),
          it.type ?? '',
          `${(it.regarding?.kind ?? '').toLowerCase()}/${it.regarding?.name ?? ''}`,
          it.reason ?? '',
          printable(it.note ?? '').slice(0, 160),
        ]);
        return {
          lines: rows.length === 0 ? ['No events'] : table([['TIME', 'TYPE', 'OBJECT', 'REASON', 'MESSAGE'], ...rows]),
        };
      });
    }
    return exitCodes.done;
  },
});

/** The object and what it depends on; the namespace is that of a container. */
async function namesAround({ client, namespace }: Cluster, ref: ObjectRef) {
  const isContainer = (ref.kind ?? 'HostedContainer') === 'HostedContainer';
  const container = isContainer ? await client.get(hostedContainers, { name: ref.name, namespace }) : undefined;
  if (!container) return { names: new Set([ref.name]), namespace: undefined };
  const image = container.status?.targetImage ?? container.spec.image;
  const [os = ''] = imageNameOf(image).split(':');
  return { names: new Set([ref.name, objectNameOf(image), os]), namespace };
}

/** Events of objects that are in no namespace are in `default`. */
async function list({ client }: Cluster, namespace: string | undefined): Promise<Event[]> {
  if (namespace === undefined) return client.list(eventKind);
  const [own, others] = await Promise.all(
    [namespace, 'default'].map((it) => client.list(eventKind, { namespace: it })),
  );
  return namespace === 'default' ? (own ?? []) : [...(own ?? []), ...(others ?? [])];
}

const isMonoroot = (regarding: Event['regarding']) => regarding?.apiVersion?.startsWith('monoroot.dev/') === true;
const isOurs = (regarding: Event['regarding']) =>
  isMonoroot(regarding) || regarding?.kind === 'Pod' || regarding?.kind === 'Job';

function timeOf({ eventTime, series, metadata, deprecatedLastTimestamp }: Event): number {
  const times: readonly (string | undefined)[] = [
    series?.lastObservedTime,
    deprecatedLastTimestamp,
    eventTime,
    metadata.creationTimestamp,
  ];
  return Date.parse(times.find((it) => typeof it === 'string') ?? '1970-01-01T00:00:00Z');
}

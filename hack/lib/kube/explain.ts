import { events } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { Event } from '../../../src/kube/types.ts';
import type { Condition } from '../../../src/runtime/conditions.ts';
import type { KubeObject, ObjectName } from '../../../src/runtime/object.ts';
import { table } from '../terminal.ts';
import type { Kubectl } from './kubectl.ts';

/** Those of a Pod have neither reason nor message while all is well. */
interface WithConditions extends KubeObject {
  status?: { conditions?: (Pick<Condition, 'type' | 'status'> & Partial<Condition>)[] };
}

/** The conditions of an object as rows for `table`. */
export function conditionRows(object: KubeObject | undefined): string[][] {
  const { status } = (object ?? {}) as WithConditions;
  return (status?.conditions ?? []).map((c) => [c.type, c.status, c.reason ?? '', firstLine(c.message)]);
}

/** Events about an object, oldest first. Those of objects in no namespace are kept in `default`. */
export async function eventsOf(
  kubectl: Kubectl,
  { kind }: Pick<Resource<KubeObject>, 'kind'>,
  { name, namespace }: ObjectName,
): Promise<Event[]> {
  const all = await kubectl.list(events, { namespace: namespace ?? 'default' });
  return all
    .filter(({ regarding }) => regarding?.kind === kind && regarding.name === name)
    .sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));
}

/** Conditions and the newest events of an object, for a person who has to find out why something did not happen. */
export async function explain<T extends KubeObject>(
  kubectl: Kubectl,
  resource: Resource<T>,
  name: ObjectName,
): Promise<string> {
  const [object, told] = await Promise.all([kubectl.get(resource, name), eventsOf(kubectl, resource, name)]);
  const rows = told
    .slice(-10)
    .map((event) => [timeOf(event).slice(11, 19), event.type ?? '', event.reason ?? '', firstLine(event.note)]);
  return [
    `${resource.kind} ${name.name}${object ? '' : ' does not exist'}`,
    ...table(conditionRows(object)).map((line) => `  ${line}`),
    ...table(rows).map((line) => `  ${line}`),
  ].join('\n');
}

/** Events of the kubelet still come through the older API, which leaves eventTime null. */
function timeOf(event: Event): string {
  const { eventTime, deprecatedLastTimestamp, metadata } = event as Partial<Event>;
  return eventTime || deprecatedLastTimestamp || metadata?.creationTimestamp || '';
}

const firstLine = (text: string | undefined): string => (text ?? '').trim().split('\n')[0]?.slice(0, 300) ?? '';

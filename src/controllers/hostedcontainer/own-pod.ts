import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { labels } from '../../api/names.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Observed } from './observed.ts';

/** The Pod belongs to this container, not to somebody else or to an earlier container of that name. */
export const isOurs = ({ metadata }: Pod, container: HostedContainer): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === container.metadata.uid) ?? false;

/** Another's Pod of that name says nothing about the container, whatever its annotations say: nothing but this looks at it. */
export const withoutStranger = (o: Observed): Observed =>
  o.pod && !isOurs(o.pod, o.container) ? { ...o, pod: undefined, stranger: o.pod } : o;

/** Whose the Pod is that has the name, and what to do. */
export function whoseIsIt({ metadata }: Pod): string {
  const { name, ownerReferences = [] } = metadata;
  if (metadata.labels?.[labels.hostedContainer] !== name)
    return `A Pod named ${name} exists and belongs to somebody else: remove it, or choose another name`;
  const removes = ownerReferences.length > 0 ? 'Kubernetes removes it when its owner is gone; else delete' : 'Delete';
  return `A Pod named ${name} was left by an earlier HostedContainer of this name. ${removes} it: then the container starts`;
}

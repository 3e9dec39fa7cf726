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

/**
 * It goes by itself: it is being stopped, or belongs to an earlier container of this name, with which Kubernetes removes it. That is
 * how a container looks for a moment that was deleted and made again.
 */
export const isLeaving = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined ||
  (metadata.ownerReferences ?? []).some(({ kind, name }) => kind === 'HostedContainer' && name === metadata.name);

/** Whose the Pod is that has the name, and what to do. */
export function whoseIsIt({ metadata }: Pod): string {
  const { name } = metadata;
  return metadata.labels?.[labels.hostedContainer] === name
    ? `A Pod named ${name} was left by an earlier HostedContainer of this name: delete it, then the container starts`
    : `A Pod named ${name} exists and belongs to somebody else: remove it, or choose another name`;
}

import { finalizers, labels } from '../../api/names.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/objects.ts';
import type { Action, Observed } from './observed.ts';

/** How the claim of a template is kept or deleted. See docs/adr/0019. */

/** A person wants the claim to go with the container, as the specification says now. */
const goesWith = ({ spec }: HostedContainer): boolean =>
  spec.data?.claimTemplate !== undefined && spec.data.whenDeleted === 'Delete';

const isHeld = ({ metadata }: HostedContainer): boolean => metadata.finalizers?.includes(finalizers.data) ?? false;

/** After a deletion with `--cascade=orphan` all that belongs to the container must stay. */
const isOrphaning = ({ metadata }: HostedContainer): boolean => metadata.finalizers?.includes('orphan') ?? false;

const isOwned = (claim: PersistentVolumeClaim, container: HostedContainer): boolean =>
  claim.metadata.ownerReferences?.some(({ uid }) => uid === container.metadata.uid) ?? false;

/** The claim was made from the template of this container, or of an earlier one of that name. */
const isMade = ({ metadata }: PersistentVolumeClaim, container: HostedContainer): boolean =>
  metadata.labels?.[labels.managedBy] === 'monoroot' &&
  metadata.labels[labels.hostedContainer] === container.metadata.name;

/** In this order: what keeps data comes first. */
export function dataActions({ container, claim }: Observed): Action[] {
  const held = isHeld(container);
  const disown: Action[] = claim && isOwned(claim, container) ? [{ type: 'DisownClaim', claim }] : [];
  if (container.metadata.deletionTimestamp === undefined) {
    const hold = goesWith(container);
    return [...disown, ...(hold === held ? [] : [{ type: 'HoldForData' as const, hold }])];
  }
  if (!held) return disown;
  const goes = goesWith(container) && !isOrphaning(container);
  const remove: Action[] =
    goes && claim && isMade(claim, container) && claim.metadata.deletionTimestamp === undefined
      ? [{ type: 'DeleteClaim', claim }]
      : [];
  return [...disown, ...remove, { type: 'HoldForData', hold: false }];
}

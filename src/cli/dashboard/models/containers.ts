import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { parseReference } from '../../../api/images.ts';
import { findCondition, isTrue } from '../../../runtime/conditions.ts';
import { firstHit } from '../../../runtime/rules.ts';
import type { ContainerRow, State } from '../views.ts';
import { oncePerObject } from './shown.ts';

/** A container in a list, by what it says itself. */
export const containerRow = oncePerObject((container: HostedContainer): ContainerRow => {
  const { metadata, spec, status } = container;
  const { state, type } = firstHit(rules, container) ?? { state: 'Well', type: 'Ready' };
  const said = findCondition(status?.conditions, type);
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    os: parseReference(spec.image).os,
    ...(status?.image !== undefined && { image: status.image }),
    ...(status?.targetImage !== undefined && { target: status.targetImage }),
    ...(status?.nodeName !== undefined && { node: status.nodeName }),
    state,
    reason: said?.reason ?? 'NotSeen',
    ...(said && { since: said.lastTransitionTime }),
    restarts: status?.restarts ?? 0,
  };
});

/** The state, and the type of the condition that says so. */
type Rule = (container: HostedContainer) => { state: State; type: string } | undefined;

const needsYou: Rule = ({ status }) =>
  isTrue(status?.conditions, 'Stalled') ? { state: 'NeedsYou', type: 'Stalled' } : undefined;

const isSuspended: Rule = ({ spec }) =>
  spec.suspend || spec.replicas === 0 ? { state: 'Suspended', type: 'Ready' } : undefined;

const isUpgrading: Rule = ({ status }) =>
  status?.targetImage === undefined ? undefined : { state: 'Moving', type: 'Upgraded' };

const isNew: Rule = ({ status }) =>
  status?.lastKnownGoodImage === undefined && !isTrue(status?.conditions, 'Ready')
    ? { state: 'Moving', type: 'Ready' }
    : undefined;

const isDown: Rule = ({ status }) =>
  isTrue(status?.conditions, 'Ready') ? undefined : { state: 'Down', type: 'Ready' };

const wentBack: Rule = ({ status }) =>
  findCondition(status?.conditions, 'Upgraded')?.status === 'False'
    ? { state: 'WentBack', type: 'Upgraded' }
    : undefined;

/** First hit wins. */
const rules: readonly Rule[] = [needsYou, isSuspended, isUpgrading, isNew, isDown, wentBack];

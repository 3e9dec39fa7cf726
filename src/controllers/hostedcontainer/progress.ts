import { matchesTarget } from './target.ts';
import { needsPerson } from '../ends.ts';
import type { Input } from './input.ts';
import { above } from '../../runtime/condition-table.ts';
import type { ConditionRule, Stated } from '../../runtime/condition-table.ts';
import type { Action } from './observed.ts';
import { endOf } from './reasons.ts';
import type { Reason } from './reasons.ts';

/** Why a container is not settled yet. */
interface Cause {
  reason: Reason;
  message: string;
  waits?: boolean | undefined;
}

interface View {
  input: Input;
  upgraded: Stated<Reason>;
  ready: Stated<Reason>;
}
type Rule = (view: View) => Cause | undefined;

const hindered: Rule = ({ input }) => input.blocker;

const what: Record<Action['type'], string> = {
  CreateClaim: 'The PersistentVolumeClaim could not be created',
  DisownClaim: 'The owner reference of the PersistentVolumeClaim could not be removed',
  DeleteClaim: 'The PersistentVolumeClaim could not be deleted',
  HoldForData: 'The finalizer monoroot.dev/data could not be written',
  CreatePod: 'The Pod could not be created',
  DeletePod: 'The Pod could not be deleted',
  PatchPod: 'The Pod could not be patched',
  RevertSpec: 'spec.image could not be written back',
  Unassign: 'status.assignedTime could not be removed',
};

/** A write failed, and is tried again after growing pauses. */
const notWritten: Rule = ({ input: { observed } }) => {
  const failure = observed.failures?.find(({ isFinal }) => !isFinal);
  return (
    failure && { reason: 'WriteFailed', message: `${what[failure.action]}: ${failure.message}. It is tried again` }
  );
};

const unresolved: Rule = ({ input: { target } }) =>
  target.resolution.status === 'False' ? target.resolution : undefined;

/** Under way, or ended by a failure that a person must answer. What depends on others is reported by the two before. */
const notUpgraded: Rule = ({ upgraded }) =>
  ['Waiting', 'Person'].includes(endOf(upgraded.reason)) ? upgraded : undefined;

const restarted: Rule = ({ input: { observed } }) =>
  observed.isRestarting ? { reason: 'InProgress', message: 'The container is being restarted in its Pod' } : undefined;

/** Whatever the upgrade came to, the Pod is not yet the one that is asked for. */
const replaced: Rule = ({ input: { observed, target } }) =>
  observed.pod && target.image && !matchesTarget(observed.pod, target)
    ? { reason: 'InProgress', message: 'The Pod is being replaced by one with the current spec' }
    : undefined;

const notReady: Rule = ({ ready }) => (ready.status === 'True' ? undefined : ready);

/** Causes that only a person can end count first. The state of the Pod counts only when there is no other cause. */
const rules: readonly Rule[] = [notWritten, hindered, unresolved, notUpgraded, replaced, restarted];

const isForAPerson = (cause: Cause): boolean => needsPerson(endOf(cause.reason), cause);

type Summary = ConditionRule<Input, Reason>;

/** Reconciling and Stalled: at most one of them is True, and neither when all is done or a person wants it so. */
export const stalled: Summary = (input, stated) => {
  const cause = causeOf(input, stated);
  return cause && isForAPerson(cause) ? { ...cause, status: 'True' } : undefined;
};

export const notStalled: Summary = () => ({ status: 'False', reason: 'NotStalled', message: 'No action required' });

export const reconciling: Summary = (input, stated) => {
  const cause = causeOf(input, stated);
  return cause && !isForAPerson(cause) ? { ...cause, status: 'True' } : undefined;
};

export const nothingChanges: Summary = () => ({
  status: 'False',
  reason: 'Settled',
  message: 'Nothing is being changed',
});

function causeOf(input: Input, stated: readonly Stated<Reason>[]): Cause | undefined {
  const view = { input, upgraded: above(stated, 'Upgraded'), ready: above(stated, 'Ready') };
  if (endOf(view.ready.reason) === 'Wanted') return undefined;
  const causes = rules.map((rule) => rule(view)).filter((cause) => cause !== undefined);
  return causes.find(isForAPerson) ?? causes[0] ?? notReady(view);
}

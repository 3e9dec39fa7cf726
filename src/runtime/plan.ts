import type { Logger } from 'pino';
import type { Result } from './controller.ts';
import type { EventNotice } from './events.ts';
import { parallel } from './parallel.ts';
import { actThenWriteStatus, sameStatus } from './status.ts';

/** One thing to do, as data. */
export interface PlannedAction {
  type: string;
  /** The status tells of it as done: when it fails, the status is not written. */
  required?: boolean;
  /** It is done only once the status that announces it is written. Matters where the status is written first. */
  announced?: boolean;
}

/** What a planner decides from what was observed: the whole policy, without any effect. */
export interface Plan<Status, Action extends PlannedAction, Query = never> {
  /** What it must know before it can decide, and what costs a call: answer these and plan again. The rest is void then. */
  queries?: readonly Query[] | undefined;
  /** In the order in which they must be done. */
  actions: readonly Action[];
  status: Status;
  /** Recorded once the status that tells of them is written. */
  events: readonly EventNotice[];
  /** Plan again after this time even if nothing changes. */
  requeueAfterSeconds?: number | undefined;
}

/**
 * What the failure of an action means. `Stop`: the actions after it are not done. `Continue`: they are. Both are retried with
 * back-off after the status is written. `Report`: the same request would be refused again, so only the status tells of it.
 * `Abandon`: what the plan was made from is no more, so nothing else is done or written. With seconds: plan again after them.
 */
export type OnFailure = 'Stop' | 'Continue' | 'Report' | 'Abandon' | { requeueAfterSeconds: number };

export interface ActionFailure<Action> {
  action: Action;
  error: unknown;
  policy: OnFailure;
}

export interface PlanRun<Observed, Status, Action extends PlannedAction, Query> {
  observed: Observed;
  /** Pure. */
  plan: (observed: Observed) => Plan<Status, Action, Query>;
  /** What was observed, with the answers to these. */
  answer?: (observed: Observed, queries: readonly Query[]) => Promise<Observed>;
  act: (action: Action) => Promise<void>;
  /** `Stop` by default. An action that fails because the signal aborts is always abandoned. */
  onFailure?: (action: Action, error: unknown) => OnFailure;
  /** What was observed, with what failed: the status of a plan that is made from it is written. By default the plan stays. */
  withFailures?: (observed: Observed, failures: readonly ActionFailure<Action>[]) => Observed;
  /** The plan whose status is about to be written. */
  decided?: (plan: Plan<Status, Action, Query>) => void;
  /** The status that the object has now. It is written only when the new one differs. */
  status: Status | undefined;
  /** Unset where a planner has no status of its own. */
  write?: (status: Status) => Promise<unknown>;
  record?: (event: EventNotice) => void;
  /** How many actions are done at the same time; 1 by default. More only where they do not depend on each other. */
  parallelActions?: number;
  logger: Logger;
  signal: AbortSignal;
}

/** A plan that asks more often than this asks for the same again and again. */
const mostRounds = 10;

/**
 * One run of a reconciler: plan, answer queries, plan again; act; write the status, also when an action failed; record the
 * events; say when to plan again. Throws what must be retried.
 */
export async function runPlan<Observed, Status, Action extends PlannedAction, Query = never>(
  run: PlanRun<Observed, Status, Action, Query>,
): Promise<Result> {
  const decided = await decide(run);
  const failures = await performAll(run, decided.plan.actions);
  const plan = replan(run, decided, failures);
  const isUnwritten = failures.some(({ action }) => action.required);
  run.decided?.(plan);
  await actThenWriteStatus<Status | undefined>({
    observed: run.status,
    act: () => throwFirst(run, failures),
    status: () => (isUnwritten ? run.status : plan.status),
    write: () => writeAndRecord(run, plan),
  });
  return { requeueAfterSeconds: soonest(plan, failures) };
}

/** The plan that asks for nothing any more, and what it was made from. */
export async function decide<Observed, Status, Action extends PlannedAction, Query>(
  run: Pick<PlanRun<Observed, Status, Action, Query>, 'observed' | 'plan' | 'answer'>,
): Promise<{ observed: Observed; plan: Plan<Status, Action, Query> }> {
  let { observed } = run;
  let plan = run.plan(observed);
  for (let rounds = 0; plan.queries && plan.queries.length > 0; rounds++) {
    if (!run.answer || rounds === mostRounds)
      throw new Error(`The plan asks again and again: ${JSON.stringify(plan.queries).slice(0, 200)}`);
    observed = await run.answer(observed, plan.queries);
    plan = run.plan(observed);
  }
  return { observed, plan };
}

/** Does the actions, in their order, up to one whose failure stops the rest. Throws only what abandons the run. */
async function performAll<Action extends PlannedAction>(
  run: Pick<PlanRun<never, never, Action, never>, 'act' | 'onFailure' | 'parallelActions' | 'signal'>,
  actions: readonly Action[],
): Promise<ActionFailure<Action>[]> {
  const { act, onFailure = () => 'Stop', parallelActions = 1, signal } = run;
  const failures: ActionFailure<Action>[] = [];
  let isStopped = false;
  await parallel(actions, parallelActions, async (action) => {
    if (isStopped) return;
    signal.throwIfAborted();
    try {
      await act(action);
    } catch (error) {
      const policy = signal.aborted ? 'Abandon' : onFailure(action, error);
      isStopped ||= policy === 'Stop' || policy === 'Abandon';
      failures.push({ action, error, policy });
    }
  });
  const abandoned = failures.find(({ policy }) => policy === 'Abandon');
  if (abandoned) throw abandoned.error;
  return failures;
}

/** The plan that tells of what failed. One that would ask for more first is not waited for. */
function replan<Observed, Status, Action extends PlannedAction, Query>(
  run: PlanRun<Observed, Status, Action, Query>,
  { observed, plan }: { observed: Observed; plan: Plan<Status, Action, Query> },
  failures: readonly ActionFailure<Action>[],
): Plan<Status, Action, Query> {
  if (failures.length === 0 || !run.withFailures) return plan;
  const told = run.plan(run.withFailures(observed, failures));
  return told.queries && told.queries.length > 0 ? plan : told;
}

const isRetried = ({ policy }: ActionFailure<unknown>): boolean => policy === 'Stop' || policy === 'Continue';

/** The first failure is thrown, and so logged by the controller; the others are logged here. */
async function throwFirst<Action extends PlannedAction>(
  { logger }: { logger: Logger },
  failures: readonly ActionFailure<Action>[],
): Promise<void> {
  const thrown = failures.find(isRetried);
  for (const failure of failures) {
    const { action, error, policy } = failure;
    if (failure === thrown) continue;
    logger[typeof policy === 'object' ? 'debug' : 'warn']({ err: error, action: action.type }, 'Action failed');
  }
  if (thrown) throw thrown.error;
  return Promise.resolve();
}

async function writeAndRecord<Status>(
  { write, record }: Pick<PlanRun<never, Status, never, never>, 'write' | 'record'>,
  { status, events }: { status: Status; events: readonly EventNotice[] },
): Promise<void> {
  await write?.(status);
  for (const event of events) record?.(event);
}

function soonest(
  { requeueAfterSeconds }: { requeueAfterSeconds?: number | undefined },
  failures: readonly ActionFailure<unknown>[],
): number | undefined {
  const waits = failures.flatMap(({ policy }) => (typeof policy === 'object' ? policy.requeueAfterSeconds : []));
  const all = [...waits, ...(requeueAfterSeconds === undefined ? [] : [requeueAfterSeconds])];
  return all.length > 0 ? Math.min(...all) : undefined;
}

export interface AnnouncedRun<Observed, Status, Action extends PlannedAction, Query> extends Omit<
  PlanRun<Observed, Status, Action, Query>,
  'withFailures' | 'decided'
> {
  /** The API server refuses the status as it is, so that writing it again is of no use. Another error abandons the run. */
  isRefused: (error: unknown) => boolean;
}

/**
 * As {@link runPlan}, but the status is written before the actions: what it announces may be done only once others can see it.
 * When the status is refused, actions that are not `announced` are done all the same.
 */
export async function runAnnouncedPlan<Observed, Status, Action extends PlannedAction, Query = never>(
  run: AnnouncedRun<Observed, Status, Action, Query>,
): Promise<Result> {
  const { plan } = await decide(run);
  const refusals: unknown[] = [];
  if (!sameStatus(run.status, plan.status)) {
    await writeAndRecord(run, plan).catch((error: unknown) => {
      if (!run.isRefused(error)) throw error;
      refusals.push(error);
    });
  }
  const isRefused = refusals.length > 0;
  const failures = await performAll(
    run,
    plan.actions.filter(({ announced }) => !isRefused || !announced),
  );
  if (isRefused) throw refusals[0];
  await throwFirst(run, failures);
  return { requeueAfterSeconds: soonest(plan, failures) };
}

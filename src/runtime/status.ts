import { isTrue, longestMessage } from './conditions.ts';
import type { Condition } from './conditions.ts';

export interface StatusReport<S> {
  /** The status that the object has now. */
  observed: S | undefined;
  /** What to do. It may throw; the status is written all the same. */
  act: () => Promise<void>;
  /** The status to write, given the error that `act` threw, or undefined. */
  status: (error: unknown) => S;
  write: (status: S) => Promise<unknown>;
}

/**
 * Acts, then writes the status, also when acting failed, and only when it differs from the observed one. Throws what `act`
 * threw; when the writing failed too, an AggregateError of both, which is retried whatever the first one was.
 */
export async function actThenWriteStatus<S>(report: StatusReport<S>): Promise<void> {
  let failed = false;
  let failure: unknown;
  try {
    await report.act();
  } catch (error) {
    failed = true;
    failure = error;
  }
  try {
    const status = report.status(failure);
    if (!sameStatus(report.observed, status)) await report.write(status);
  } catch (error) {
    if (!failed) throw error;
    const message = `${messageOf(failure)}; and the status was not written: ${messageOf(error)}`;
    throw new AggregateError([failure, error], message, { cause: error });
  }
  if (failed) throw failure;
}

/**
 * Whether two statuses are the same on the wire: a member that is undefined is as good as absent, conditions have no
 * order, and a lone surrogate comes back as U+FFFD. It is asked for every event of every object, so it makes no copies.
 */
export function sameStatus(a: unknown, b: unknown, name = ''): boolean {
  if (a === b) return true;
  if (typeof a === 'string' && typeof b === 'string') return a.toWellFormed() === b.toWellFormed();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    const [left, right] = name === 'conditions' ? [byType(a), byType(b)] : [a, b];
    return left.every((item, i) => sameStatus(item, right[i]));
  }
  return sameMembers(a as Record<string, unknown>, b as Record<string, unknown>);
}

function sameMembers(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key in a) if (!sameStatus(a[key], b[key], key)) return false;
  for (const key in b) if (b[key] !== undefined && a[key] === undefined) return false;
  return true;
}

const byType = (conditions: readonly unknown[]): unknown[] =>
  conditions.toSorted((a, b) => (typeOf(a) < typeOf(b) ? -1 : 1));
const typeOf = (condition: unknown) => (condition as Partial<Condition>).type ?? '';
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** An object with the status that this house's conventions ask for. */
export interface WithStatus {
  metadata: { name: string; generation?: number | undefined };
  status?: { observedGeneration?: number | undefined; conditions?: readonly Condition[] | undefined } | undefined;
}

/** Throws, naming every rule that is broken, unless the status keeps the API conventions. For use in tests of any kind. */
export function expectValidStatus(object: WithStatus): void {
  const problems = statusProblems(object);
  if (problems.length > 0) throw new Error(`Status of ${object.metadata.name} is not valid: ${problems.join('; ')}`);
}

function statusProblems({ metadata, status }: WithStatus): string[] {
  if (!status) return ['there is no status'];
  const conditions = status.conditions ?? [];
  const types = conditions.map(({ type }) => type);
  const newest = metadata.generation ?? Infinity;
  const generations = [status.observedGeneration, ...conditions.map((condition) => condition.observedGeneration)];
  return [
    ...(types.includes('Ready') ? [] : ['there is no condition Ready']),
    ...types.filter((type, i) => types.indexOf(type) !== i).map((type) => `condition ${type} is there twice`),
    ...(['Reconciling', 'Stalled'].every((type) => isTrue(conditions, type))
      ? ['it is both Reconciling and Stalled']
      : []),
    ...(status.observedGeneration === undefined ? ['observedGeneration is missing'] : []),
    ...generations.flatMap((it) =>
      it !== undefined && it > newest ? [`observedGeneration ${it} is of the future`] : [],
    ),
    ...conditions.flatMap(conditionProblems),
  ];
}

function conditionProblems({ type, status, reason, message, lastTransitionTime }: Condition): string[] {
  return [
    ...(/^[A-Z][A-Za-z0-9]*$/.test(type) ? [] : [`condition type ${type} is not CamelCase`]),
    ...(['True', 'False', 'Unknown'].includes(status) ? [] : [`${type} has status ${status}`]),
    ...(/^[A-Z][A-Za-z0-9]*$/.test(reason) ? [] : [`reason '${reason}' of ${type} is not CamelCase`]),
    ...(message.length > longestMessage ? [`the message of ${type} has ${message.length} characters`] : []),
    ...(message === '' && status !== 'True' ? [`${type} is ${status} without a message`] : []),
    ...(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(lastTransitionTime) && !isNaN(Date.parse(lastTransitionTime))
      ? []
      : [`lastTransitionTime '${lastTransitionTime}' of ${type} is no time`]),
  ];
}

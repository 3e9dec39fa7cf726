import { isDeepStrictEqual } from 'node:util';
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

/** Whether two statuses are the same on the wire: a member that is undefined is as good as absent, conditions have no order. */
export function sameStatus(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(normalize(a), normalize(b));
}

function normalize(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => normalize(item));
    return name === 'conditions' ? items.sort((a, b) => (typeOf(a) < typeOf(b) ? -1 : 1)) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, normalize(member, key)]));
}

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
    ...(message === '' && status !== 'True' ? [`${type} is ${status} without a message`] : []),
    ...(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(lastTransitionTime) && !isNaN(Date.parse(lastTransitionTime))
      ? []
      : [`lastTransitionTime '${lastTransitionTime}' of ${type} is no time`]),
  ];
}

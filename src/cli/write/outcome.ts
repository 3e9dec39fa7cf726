import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import type { Condition } from '../../runtime/conditions.ts';
import type { MonorootObject } from '../scene/scene.ts';

/** How a change stands. `Waiting` ends by itself. */
export interface Outcome {
  type: 'Good' | 'Bad' | 'Waiting';
  message: string;
}

/**
 * Whether what the spec of an object asks for is done, has failed, or is under way. A status of an earlier spec than that of `generation`
 * does not count. Nor does a failure that `before` had already, the object before a restart, which is no other try.
 */
export function outcomeOf(
  object: MonorootObject,
  generation = object.metadata.generation ?? 0,
  before?: MonorootObject,
): Outcome {
  const { status } = object;
  if (
    status === undefined ||
    (status.observedGeneration ?? 0) < Math.max(generation, object.metadata.generation ?? 0)
  ) {
    return { type: 'Waiting', message: 'The operator has not seen the last change yet' };
  }
  return object.kind === 'HostedContainer'
    ? outcomeOfContainer(object as HostedContainer, findCondition(before?.status?.conditions, 'Upgraded'))
    : outcomeOfOther(object);
}

const isSameFailure = (a: Condition | undefined, b: Condition | undefined): boolean =>
  [a, b].every((it) => it?.status === 'False') &&
  a?.reason === b?.reason &&
  a?.lastTransitionTime === b?.lastTransitionTime;

function outcomeOfContainer({ status }: HostedContainer, known: Condition | undefined): Outcome {
  const [upgraded, stalled, ready] = ['Upgraded', 'Stalled', 'Ready'].map((type) =>
    findCondition(status?.conditions, type),
  );
  const isKnown = isSameFailure(known, upgraded);
  const failed = upgraded?.status === 'False' && !isKnown ? upgraded : stalled;
  if (failed && (failed === upgraded || failed.status === 'True'))
    return { type: 'Bad', message: conditionText(failed) };
  const isDone = upgraded?.status === 'True' || isKnown || ready?.reason === 'Suspended';
  if (isDone && ready?.status === 'True') return { type: 'Good', message: ready.message };
  return { type: 'Waiting', message: textOfHeld(upgraded, ready) };
}

function textOfHeld(upgraded: Condition | undefined, ready: Condition | undefined): string {
  const held = upgraded?.status === 'Unknown' ? upgraded : ready;
  return held ? conditionText(held) : 'It has no status yet';
}

function outcomeOfOther({ status }: MonorootObject): Outcome {
  const stalled = findCondition(status?.conditions, 'Stalled');
  const ready = findCondition(status?.conditions, 'Ready');
  if (isTrue(status?.conditions, 'RolloutHalted') || stalled?.status === 'True') {
    const halted = findCondition(status?.conditions, 'RolloutHalted');
    return {
      type: 'Bad',
      message: halted?.status === 'True' ? conditionText(halted) : stalled ? conditionText(stalled) : '',
    };
  }
  if (ready?.status === 'True') return { type: 'Good', message: conditionText(ready) };
  return { type: 'Waiting', message: ready ? conditionText(ready) : 'It has no status yet' };
}

const conditionText = ({ reason, message }: { reason: string; message: string }) => `${reason}: ${message}`;

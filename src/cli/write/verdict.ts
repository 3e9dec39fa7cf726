import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import type { MonorootObject } from '../scene/scene.ts';

/** What became of what was asked for. `Waiting` ends by itself. */
export interface Verdict {
  outcome: 'Good' | 'Bad' | 'Waiting';
  message: string;
}

/**
 * Judges an object: whether what its spec asks for is done, has failed, or is under way. What the operator said of an earlier spec than that
 * of `generation` says nothing.
 */
export function judge(object: MonorootObject, generation = object.metadata.generation ?? 0): Verdict {
  const { status } = object;
  if (
    status === undefined ||
    (status.observedGeneration ?? 0) < Math.max(generation, object.metadata.generation ?? 0)
  ) {
    return { outcome: 'Waiting', message: 'The operator has not seen the last change yet' };
  }
  return object.kind === 'HostedContainer' ? judgeContainer(object as HostedContainer) : judgeOther(object);
}

function judgeContainer({ status }: HostedContainer): Verdict {
  const [upgraded, stalled, ready] = ['Upgraded', 'Stalled', 'Ready'].map((type) =>
    findCondition(status?.conditions, type),
  );
  const failed = [
    ...(upgraded?.status === 'False' ? [upgraded] : []),
    ...(stalled?.status === 'True' ? [stalled] : []),
  ];
  if (failed[0]) return { outcome: 'Bad', message: said(failed[0]) };
  const isDone = upgraded?.status === 'True' || ready?.reason === 'Suspended';
  if (isDone && ready?.status === 'True') return { outcome: 'Good', message: ready.message };
  const held = upgraded?.status === 'Unknown' ? upgraded : ready;
  return { outcome: 'Waiting', message: held ? said(held) : 'It has no status yet' };
}

function judgeOther({ status }: MonorootObject): Verdict {
  const stalled = findCondition(status?.conditions, 'Stalled');
  const ready = findCondition(status?.conditions, 'Ready');
  if (isTrue(status?.conditions, 'RolloutHalted') || stalled?.status === 'True') {
    const halted = findCondition(status?.conditions, 'RolloutHalted');
    return { outcome: 'Bad', message: halted?.status === 'True' ? said(halted) : stalled ? said(stalled) : '' };
  }
  if (ready?.status === 'True') return { outcome: 'Good', message: said(ready) };
  return { outcome: 'Waiting', message: ready ? said(ready) : 'It has no status yet' };
}

const said = ({ reason, message }: { reason: string; message: string }) => `${reason}: ${message}`;

import type { Gate, RolloutStatus } from '../../../api/rollout.ts';
import { formatTime } from '../../../runtime/time.ts';
import type { GateAnswer, Input } from './observed.ts';

type GateState = NonNullable<RolloutStatus['gates']>[number];

/** How the soak of a wave stands, all of which runs well now. */
export interface Soak {
  over: boolean;
  rollout: RolloutStatus;
  /** Gates to ask now. */
  due: Gate[];
  /** The gate that failed more often than may be. */
  failed?: GateState;
  /** What it waits for, and until when if that is known. */
  waitsFor: string;
  requeueTime?: Date;
}

/** A soak is over when its time has passed and every gate has been asked in it and held when it was asked last. */
export function soak({ observed, spec, rollout }: Input, seconds: number): Soak {
  const { now } = observed;
  const soakStartTime = rollout.soakStartTime ?? now.toISOString();
  const end = new Date(Date.parse(soakStartTime) + seconds * 1000);
  const gates = spec.gates ?? [];
  const states = gates.flatMap((gate) => stateOf(gate, rollout, observed.answers, now) ?? []);
  const due = gates.filter((gate) => dueTime(gate, states) <= now.getTime());
  const failed = states.find(
    (state) => state.failures > (gates.find((it) => it.name === state.name)?.failureLimit ?? 0),
  );
  const { gates: _before, ...rest } = rollout;
  const next = { ...rest, soakStartTime, ...(states.length > 0 && { gates: states }) };
  const holding = states.length === gates.length && states.every(({ holds }) => holds);
  const over = now >= end && holding;
  const dueTimes = gates.map((gate) => dueTime(gate, states));
  const times = [...(now < end ? [end.getTime()] : []), ...dueTimes];
  return {
    over,
    rollout: next,
    due,
    ...(failed && { failed }),
    waitsFor: waitsFor(now < end ? end : undefined, states),
    ...(!over && times.length > 0 && { requeueTime: new Date(Math.min(...times)) }),
  };
}

/** Nothing of it is left when not all run well any more: it begins again. */
export function withoutSoak({ soakStartTime: _start, gates: _gates, ...rollout }: RolloutStatus): RolloutStatus {
  return rollout;
}

function stateOf(
  { name }: Gate,
  { gates }: RolloutStatus,
  answers: readonly GateAnswer[],
  now: Date,
): GateState | undefined {
  const before = gates?.find((it) => it.name === name);
  const answer = answers.find((it) => it.name === name);
  if (!answer) return before;
  const failures = (before?.failures ?? 0) + (answer.holds ? 0 : 1);
  return { name, holds: answer.holds, failures, message: answer.message, time: now.toISOString() };
}

/** When it is to be asked next, in milliseconds since 1970. */
function dueTime({ name, intervalSeconds }: Gate, states: readonly GateState[]): number {
  const state = states.find((it) => it.name === name);
  return state ? Date.parse(state.time) + intervalSeconds * 1000 : 0;
}

function waitsFor(end: Date | undefined, states: readonly GateState[]): string {
  const refusing = states.find(({ holds }) => !holds);
  const gate = refusing && `gate ${refusing.name} does not hold (${refusing.message ?? ''})`;
  if (!end) return gate ?? 'the gates are being asked';
  return `soaking until ${formatTime(end)}${gate === undefined ? '' : `; ${gate}`}`;
}

import type { Gate } from '../../../../api/rollout.ts';
import { askGate } from './gates.ts';
import type { GatePorts, GateQuestion } from './gates.ts';
import type { GateAnswer } from '../observed.ts';

/** Asks these gates side by side. */
export function askGates(
  gates: readonly Gate[],
  question: GateQuestion,
  ports: GatePorts,
  signal: AbortSignal,
): Promise<GateAnswer[]> {
  return Promise.all(
    gates.map(async (gate) => ({ name: gate.name, ...(await askGate(gate, question, ports, signal)) })),
  );
}

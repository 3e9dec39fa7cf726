import type { Gate } from '../../../../api/rollout.ts';
import { askGate } from './gates.ts';
import type { GatePorts, GateQuestion } from './gates.ts';
import type { GateAnswer } from '../observed.ts';

/** Asks these gates side by side. */
export function askGates(
  queries: readonly { gate: Gate; question: GateQuestion }[],
  ports: GatePorts,
  signal: AbortSignal,
): Promise<GateAnswer[]> {
  return Promise.all(
    queries.map(async ({ gate, question }) => ({
      name: gate.name,
      ...(await askGate(gate, question, ports, signal)),
    })),
  );
}

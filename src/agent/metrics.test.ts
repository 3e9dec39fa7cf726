import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createAgentMetrics } from './metrics.ts';

test('the memory of the agent and the delays of its event loop can be watched', async () => {
  const registry = new Registry();
  createAgentMetrics(registry);
  const text = await registry.metrics();
  const valueOf = (name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    );
  expect(valueOf('monoroot_agent_memory_peak_bytes')).toBeGreaterThan(20_000_000);
  for (const quantile of ['0.999', '1']) {
    expect(valueOf(`monoroot_agent_event_loop_delay_seconds{quantile="${quantile}"}`)).toBeGreaterThanOrEqual(0);
  }
});

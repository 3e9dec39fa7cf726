import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createAgentMetrics, observeNodeStore } from './metrics.ts';

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

test('the disk and the images of a node are gauges, and an image that is gone is in none', async () => {
  const registry = new Registry();
  const identity = { os: 'os', version: 'v1', digest: `sha256:${'ab'.repeat(32)}` };
  let status: Parameters<typeof observeNodeStore>[1] extends () => infer T ? T : never = {
    conditions: [],
    images: [
      { ...identity, state: 'Ready' },
      { ...identity, version: 'v2', state: 'Failed', reason: 'TreeChanged' },
    ],
    store: { usedBytes: 1, freeBytes: 2, capacityBytes: 4 },
  };
  observeNodeStore(registry, () => status);
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('monoroot_'));
  expect(await lines()).toEqual([
    'monoroot_agent_store_bytes{state="used"} 1',
    'monoroot_agent_store_bytes{state="free"} 2',
    'monoroot_agent_store_bytes{state="capacity"} 4',
    'monoroot_agent_images{state="Ready",reason=""} 1',
    'monoroot_agent_images{state="Failed",reason="TreeChanged"} 1',
  ]);
  status = { ...status, images: [] };
  expect((await lines()).filter((line) => line.startsWith('monoroot_agent_images'))).toEqual([]);
});

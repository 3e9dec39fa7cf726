import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { observeEventLoop } from './event-loop.ts';

test('an event loop that stands still is seen in the metric', async () => {
  const registry = new Registry();
  onTestFinished(observeEventLoop(registry));
  const slow = async () => {
    const text = await registry.metrics();
    const count = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
    return count(/_count (\d+)/) - count(/le="0.25"\} (\d+)/);
  };
  const end = performance.now() + 600;
  while (performance.now() < end);
  await vi.waitFor(async () => expect(await slow()).toBeGreaterThan(0), 5000);
});

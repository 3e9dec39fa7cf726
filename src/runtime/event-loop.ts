import { Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { monotonic } from './time.ts';

const everyMilliseconds = 100;

/**
 * Registers how late the event loop takes up a timer that is due ten times a second: what every other event has to wait then. The
 * timer keeps no process alive. Returns how to end it.
 */
export function observeEventLoop(registry: Registry): () => void {
  const delays = new Histogram({
    name: 'monoroot_event_loop_delay_seconds',
    help: 'How late the event loop took up a timer, sampled ten times a second',
    registers: [registry],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5],
  });
  let due = monotonic() + everyMilliseconds;
  const timer = setInterval(() => {
    const now = monotonic();
    delays.observe(Math.max(0, now - due) / 1000);
    due = now + everyMilliseconds;
  }, everyMilliseconds);
  timer.unref();
  return () => clearInterval(timer);
}

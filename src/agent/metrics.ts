import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { FailureReason } from './failure.ts';
import type { Finding } from './memory.ts';

export interface AgentMetrics {
  countBytes: (bytes: number) => void;
  fetched: (seconds: number, failure: FailureReason | undefined) => void;
  verified: (finding: Finding['kind'] | undefined) => void;
}

/** What an agent counts besides what the runtime does. */
export function createAgentMetrics(registry: Registry): AgentMetrics {
  const registers = [registry];
  const bytes = new Counter({
    name: 'monoroot_agent_downloaded_bytes_total',
    help: 'Bytes of archives downloaded, also of tries that failed',
    registers,
  });
  const seconds = new Histogram({
    name: 'monoroot_agent_fetch_duration_seconds',
    help: 'Time of one try to download, verify, unpack and publish an image',
    labelNames: ['result'],
    buckets: [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900],
    registers,
  });
  const failures = new Counter({
    name: 'monoroot_agent_fetch_failures_total',
    help: 'Tries that failed, by reason',
    labelNames: ['reason'],
    registers,
  });
  const verifications = new Counter({
    name: 'monoroot_agent_verifications_total',
    help: 'Published images that were compared with their manifest: unchanged, changed, or unverified when it failed',
    labelNames: ['result'],
    registers,
  });
  return {
    countBytes: (count) => bytes.inc(count),
    fetched: (duration, failure) => {
      seconds.observe({ result: failure ? 'error' : 'success' }, duration);
      if (failure) failures.inc({ reason: failure });
    },
    verified: (finding) => verifications.inc({ result: finding ?? 'unchanged' }),
  };
}

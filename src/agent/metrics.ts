import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { NodeStoreStatus } from '../api/nodestore.ts';
import type { FailureReason } from '../image/failure.ts';
import type { Finding } from './state.ts';

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
    help: 'Bytes of archives downloaded, including failed attempts',
    registers,
  });
  const seconds = new Histogram({
    name: 'monoroot_agent_fetch_duration_seconds',
    help: 'Time of one attempt to download, verify, unpack and publish an image',
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
  const lastVerification = new Gauge({
    name: 'monoroot_agent_last_verification_timestamp_seconds',
    help: 'When a published image was last compared with its manifest, in seconds since 1970',
    registers,
  });
  observeProcess(registers);
  return {
    countBytes: (count) => bytes.inc(count),
    fetched: (duration, failure) => {
      seconds.observe({ result: failure ? 'error' : 'success' }, duration);
      if (failure) failures.inc({ reason: failure });
    },
    verified: (finding) => {
      verifications.inc({ result: finding ?? 'unchanged' });
      lastVerification.setToCurrentTime();
    },
  };
}

/** Gauges of what the NodeStore of this node says of its disk and its images. */
export function observeNodeStore(registry: Registry, readStatus: () => NodeStoreStatus | undefined): void {
  const registers = [registry];
  new Gauge({
    name: 'monoroot_agent_store_bytes',
    help: 'Disk of the store: used by images (what they share counts once), free, and capacity of the file system',
    labelNames: ['state'],
    registers,
    collect() {
      const { usedBytes, freeBytes, capacityBytes } = readStatus()?.store ?? {};
      for (const [state, bytes] of Object.entries({ used: usedBytes, free: freeBytes, capacity: capacityBytes })) {
        if (bytes !== undefined) this.set({ state }, bytes);
      }
    },
  });
  new Gauge({
    name: 'monoroot_agent_images',
    help: 'Images of the node by state: Pending, Fetching, Ready, Failed, Deleting; and by reason where they are not Ready',
    labelNames: ['state', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { state, reason = '' } of readStatus()?.images ?? []) {
        this.inc({ state, reason: state === 'Ready' ? '' : reason });
      }
    },
  });
}

/** As seldom as that, because looking keeps an idle process awake. */
const lookMilliseconds = 100;

/** How long work of the agent has kept all else of it waiting, and the most memory that the agent itself has had, since it started. */
function observeProcess(registers: Registry[]): void {
  const delays = monitorEventLoopDelay({ resolution: lookMilliseconds });
  delays.enable();
  // Looks are so far apart when nothing is late.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - lookMilliseconds / 1e3);
  new Gauge({
    name: 'monoroot_agent_event_loop_delay_seconds',
    help: 'Delay of the event loop since the start: quantile 0.999, and 1 for the longest',
    labelNames: ['quantile'],
    registers,
    collect() {
      this.set({ quantile: '0.999' }, delays.count > 0 ? seconds(delays.percentile(99.9)) : 0);
      this.set({ quantile: '1' }, delays.count > 0 ? seconds(delays.max) : 0);
    },
  });
  new Gauge({
    name: 'monoroot_agent_memory_peak_bytes',
    help: 'Most resident memory of the agent since its start, without the programs that it starts',
    registers,
    collect() {
      this.set(process.resourceUsage().maxRSS * 1024);
    },
  });
}

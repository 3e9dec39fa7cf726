import type { ContainerStatus, Pod } from '../../src/api/kubernetes/objects.ts';

/** What a container does when it runs an image. */
export type Fate = 'good' | 'crashes' | 'never-ready' | 'launch-fails';

/** What a kubelet remembers of a Pod; times in milliseconds since 1970. */
export interface Running {
  boundAt: number;
  startedAt: number | undefined;
  readyAfterSeconds: number;
  restarts: number;
  crashedAt: number;
  /** What its container was made of. */
  image: string;
}

/** The Pod has another image by now: its container is made once more. */
export function restart(its: Running, image: string, now: number): void {
  its.image = image;
  its.restarts += 1;
  its.startedAt = now;
  its.crashedAt = 0;
}

/** The container after one more moment; `its` is brought up to date. `time` gives a time as the kubelet's clock shows it. */
export function containerStatus(
  its: Running,
  startedAt: number,
  fate: Fate,
  now: number,
  time: (at: number) => string,
): ContainerStatus {
  const containerID = `c://${its.boundAt}-${its.restarts}`;
  const status = { name: 'main', ready: false, restartCount: its.restarts, containerID };
  const running = { running: { startedAt: time(startedAt) } };
  if (fate === 'good') return { ...status, ready: now - startedAt >= its.readyAfterSeconds * 1000, state: running };
  if (fate === 'never-ready') return { ...status, state: running };
  if (now - its.crashedAt > 10_000 * 2 ** Math.min(5, its.restarts)) {
    if (its.crashedAt > 0) its.restarts += 1;
    its.crashedAt = now;
  }
  return {
    ...status,
    restartCount: its.restarts,
    containerID: `c://${its.boundAt}-${its.restarts}`,
    state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
    lastState: { terminated: { ...ends[fate], reason: 'Error', startedAt: time(startedAt), finishedAt: time(now) } },
  };
}

const ends = {
  crashes: { exitCode: 1, message: 'nginx: unexpected end of file' },
  'launch-fails': { exitCode: 125, message: 'monoroot: MountScriptFailed: the mount script exited with 3' },
};

/** Whether the API server knows this of the Pod already. */
export function isTold(pod: Pod, { ready, restartCount }: ContainerStatus): boolean {
  if (pod.status?.observedGeneration !== pod.metadata.generation) return false;
  const was = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return was === (ready ? 'True' : 'False') && pod.status?.containerStatuses?.[0]?.restartCount === restartCount;
}

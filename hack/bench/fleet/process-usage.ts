import { readFileSync } from 'node:fs';

/** What a process takes, as the kernel counts it. */

const mebibyte = 1024 * 1024;
const ticksPerSecond = 100;

/** Resident memory now, in MiB. */
export const residentMiB = (pid: number): number =>
  (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024) / mebibyte;

/** User and system time of the process and all of its threads. */
export function cpuSeconds(pid: number): number {
  // The name in the second field may have spaces; what follows it has not.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

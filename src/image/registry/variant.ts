import { readFile } from 'node:fs/promises';

/** Kinds of one processor. https://gitlab.com/x86-psABIs/x86-64-ABI: a program for level 3 of amd64 runs on level 3 and above. */

/** Flags of /proc/cpuinfo that each level has besides those of the levels below. */
const flagsOfLevel: readonly (readonly string[])[] = [
  ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'],
  ['abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave'],
  ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
];

/** The level of an amd64 processor, 1 to 4, by the text of /proc/cpuinfo. */
export function levelOf(cpuinfo: string): number {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' '));
  const lacking = flagsOfLevel.findIndex((level) => !level.every((flag) => flags.has(flag)));
  return 1 + (lacking === -1 ? flagsOfLevel.length : lacking);
}

/** The level of this machine. What is not amd64 has no levels that could be asked for. */
export const readLevel = async (): Promise<number> =>
  process.arch === 'x64' ? levelOf(await readFile('/proc/cpuinfo', 'utf8')) : 1;

/** The level that a variant of an index takes: `v1` and none are what every processor of the architecture runs. */
export function levelNeeded(architecture: string, variant: string | undefined): number {
  if (architecture !== 'amd64') return variant === undefined || variant === '' || variant === 'v8' ? 1 : 2;
  return Number(/^v([1-4])$/.exec(variant ?? '')?.[1] ?? 1);
}

import { UsageError } from './command.ts';

const units = { s: 1, m: 60, h: 3600, d: 86400 } as const;

/** Seconds of `90s`, `10m`, `1h30m` or `2d`; throws a UsageError that names the option. */
export function secondsOf(option: string, text: string): number {
  const parts = [...text.matchAll(/(\d{1,6})([smhd])/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units], 0);
  }
  throw new UsageError(`--${option} takes a time such as 90s, 10m or 2h, and got ${text}`);
}

import { duration, table } from '../lib/terminal.ts';
import type { Screen } from '../lib/terminal.ts';

/** What the demo shows, in the order in which it does. */
const texts = {
  cluster: 'A cluster with nodes that are Ready, Monoroot installed: two operators, an agent on each node',
  served: 'Three versions of Debian 12, made from packages, are served by a web server in the cluster',
  distributed: 'Every version is completely stored, verified, on every node',
  default: 'debian-12:v1 is the default version for new containers',
  running: 'Two containers run on debian-12:v1 and serve pages, each with its own /data',
  readOnly: 'The operating system is read-only, for root too',
  overlays: '/etc, /var, /tmp and /run are memory, filled from the image',
  once: 'The operating system is on the disk once, and in memory once, for both containers',
  reset: 'After a restart a file dropped in /etc is gone, one in /data is not',
  upgraded: 'Both went to v2 when spec.image said so: new packages, same data',
  reverted: 'v3 does not start, and the container went back to v2 by itself, spec included',
  explained: 'Condition, event and ledger say why, with the last lines of the log',
  unharmed: 'After that the page is served and the data is there',
  failedBefore: 'Asking for v3 again starts no new attempt and no tug-of-war',
  settled: 'Asking for v2 settles it',
  rolled: 'Six containers that follow the default version went to v2 in waves, when it became the default',
  halted: 'v3 as the default was halted by its canary, and condemned; everybody runs v2',
} as const;

export type ClaimName = keyof typeof texts;

export interface Claims {
  /** Shows the facts and keeps whether all of them are true; a claim may be checked in parts. */
  check(name: ClaimName, facts: Record<string, boolean>): void;
  /** A row a claim; one that was never checked counts as failed. */
  summary(): { lines: string[]; failed: number };
}

export function createClaims(screen: Screen, now: () => number): Claims {
  const began = now();
  const checked = new Map<ClaimName, { ok: boolean; at: number }>();
  const tick = (ok: boolean) => (ok ? screen.paint('green', '✓') : screen.paint('red', '✗'));
  return {
    check(name, facts) {
      for (const [fact, ok] of Object.entries(facts)) screen.line(`  ${tick(ok)} ${fact}`);
      const results = Object.values(facts);
      const ok = results.length > 0 && results.every(Boolean) && (checked.get(name)?.ok ?? true);
      checked.set(name, { ok, at: now() - began });
    },
    summary() {
      const names = Object.keys(texts) as ClaimName[];
      const rows = names.map((name) => {
        const result = checked.get(name);
        return [tick(result?.ok ?? false), texts[name], result ? `after ${duration(result.at)}` : 'not reached'];
      });
      return { lines: table(rows), failed: names.filter((name) => !checked.get(name)?.ok).length };
    },
  };
}

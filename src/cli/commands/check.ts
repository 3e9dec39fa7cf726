import { setTimeout as pause } from 'node:timers/promises';
import { readFacts } from '../check/facts.ts';
import { reachFromHere } from '../check/reach.ts';
import { check as findingsOf } from '../check/rules.ts';
import type { Finding, Outcome } from '../check/rule.ts';
import { ApiError } from '../../runtime/errors.ts';
import { defineCommand, exitCodes, reportOutput } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { printable, table } from '../terminal.ts';
import { secondsOf } from '../time.ts';

const words: Readonly<Record<Outcome, string>> = { Ok: 'ok', Warning: 'warning', Failed: 'FAILED', Skipped: 'skipped' };
const colours = { Ok: 'green', Warning: 'yellow', Failed: 'red', Skipped: 'dim' } as const;

/** Whether the cluster can have Monoroot, or has all of it. */
export const check = defineCommand({
  name: ['check'],
  summary: 'Check the cluster: versions, policies, operator, agents, sources, room, quotas',
  options: {
    pre: { type: 'boolean', help: 'only what a cluster must have before Monoroot is installed' },
    sources: { type: 'boolean', help: 'ask the registries and web servers of all images from this machine, too' },
    wait: { type: 'string', value: 'TIME', help: 'check again until nothing fails, at most this long' },
    ...reportOutput,
  },
  description: `Each line is one rule; what is not ok says what to do. What you may not read is skipped. Servers of images are
judged by what the agents report of them; --sources also asks them from here, with the login of docker login for registries. The exit code is 0 when no rule failed (a warning is no
failure), 1 when one did, 2 when the cluster gave no answer.`,
  examples: ['kubectl monoroot check --pre', 'kubectl monoroot check --wait 2m'],
  async run(context, { values }) {
    const { out, now, signal } = context;
    const cluster = context.cluster();
    const end = now().getTime() + (values.wait === undefined ? 0 : secondsOf('wait', values.wait) * 1000);
    for (;;) {
      const facts = await readFacts(cluster).catch((error: unknown) => {
        if (error instanceof ApiError || signal.aborted || now().getTime() >= end) throw error;
        return undefined;
      });
      if (!facts) {
        out.progress('The API server does not answer yet');
        await pause(2000, undefined, { signal }).catch(() => undefined);
        continue;
      }
      const fromHere = values.sources === true ? await reachFromHere(facts.scene.osImages, context) : undefined;
      const findings = findingsOf({ ...facts, ...(fromHere && { fromHere }) }, now(), values.pre);
      const isGood = !findings.some(({ outcome }) => outcome === 'Failed');
      if (isGood || now().getTime() >= end || signal.aborted) {
        if (isStructured(values.output)) out.line(structured(values.output, findings));
        else for (const line of lines(findings, out.paint)) out.line(line);
        return isGood ? exitCodes.done : exitCodes.no;
      }
      out.progress(findings.filter(({ outcome }) => outcome === 'Failed').map(({ message }) => message).join('; ')); // prettier-ignore
      await pause(2000, undefined, { signal }).catch(() => undefined);
    }
  },
});

function lines(
  findings: readonly Finding[],
  paint: (style: 'green' | 'yellow' | 'red' | 'dim', text: string) => string,
): string[] {
  return table(
    findings.map(({ id, outcome, message, hint }) => [
      paint(colours[outcome], words[outcome]),
      id,
      printable(hint === undefined ? message : `${message}; ${hint}`),
    ]),
  );
}

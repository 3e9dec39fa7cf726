// Makes the tables of docs/metrics.md from the metrics that operator and agent register.
import { Registry } from 'prom-client';
import { createAgentMetrics, observeNodeStore } from '../../src/agent/metrics.ts';
import { registerBuildInfo } from '../../src/cmd/version.ts';
import { registerFleetMetrics } from '../../src/controllers/metrics/register.ts';
import { observeEventLoop } from '../../src/runtime/event-loop.ts';
import { Store } from '../../src/runtime/store.ts';

/** All metrics of our own, as operator and agent register them. */
export async function ownMetrics(): Promise<
  Record<'operator' | 'agent', { name: string; type: string; help: string; labels: string[] }[]>
> {
  const [operator, agent] = [new Registry(), new Registry()];
  const store = () => new Store<never>(() => undefined);
  registerBuildInfo(operator, 'operator');
  const ends = [observeEventLoop(operator), observeEventLoop(agent)];
  for (const end of ends) end();
  registerFleetMetrics(
    operator,
    { images: store(), distributions: store(), containers: store(), stores: store() },
    () => true,
  );
  registerBuildInfo(agent, 'agent');
  createAgentMetrics(agent);
  observeNodeStore(agent, () => undefined);
  return { operator: await described(operator), agent: await described(agent) };
}

async function described(registry: Registry) {
  const types = await registry.getMetricsAsJSON();
  return registry.getMetricsAsArray().map((metric) => {
    const { labelNames = [] } = metric as { labelNames?: string[] };
    const type = String(types.find((it) => it.name === metric.name)?.type ?? '');
    return { name: metric.name, type, help: metric.help, labels: labelNames };
  });
}

/** The page with the tables between its markers written again. Throws when a marker is missing. */
export async function metricsPage(page: string): Promise<string> {
  const metrics = await ownMetrics();
  return Object.entries(metrics).reduce((text, [component, rows]) => {
    const [from, to] = [`<!-- metrics of the ${component} -->\n`, `<!-- end of the metrics of the ${component} -->`];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`docs/metrics.md has no place for the metrics of the ${component}`);
    const table = rows.map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((it) => `\`${it}\``).join(' ')} | ${help} |`,
    );
    const head = ['| metric | type | labels | what |', '| --- | --- | --- | --- |'];
    return text.slice(0, start + from.length) + [...head, ...table, ''].join('\n') + text.slice(end);
  }, page);
}

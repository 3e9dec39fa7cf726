import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { ownMetrics } from '../metrics-page.ts';
import { dashboards } from './dashboards.ts';

interface Panel {
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string }[];
}
const built = [...dashboards()].map(([file, text]) => ({
  file,
  ...(JSON.parse(text) as {
    uid: string;
    panels: Panel[];
    templating: { list: { name: string; query?: string | object }[] };
  }),
}));
const panels = built.flatMap(({ file, panels: all }) =>
  all.map((panel) => ({ where: `${file}: ${panel.title}`, panel })),
);

/** Every metric that operator or agent register, with its labels; a histogram has its three series. */
async function registered(): Promise<Map<string, string[]>> {
  const { operator, agent } = await ownMetrics();
  const shared = createMetrics()
    .registry.getMetricsAsArray()
    .map((metric) => ({ name: metric.name, labels: (metric as { labelNames?: string[] }).labelNames ?? [] }));
  const all = [...operator, ...agent, ...shared].flatMap(({ name, labels }) => [
    [name, labels] as const,
    ...['_bucket', '_sum', '_count'].map((suffix) => [`${name}${suffix}`, [...labels, 'le']] as const),
  ]);
  return new Map(all.map(([name, labels]) => [name, [...labels]]));
}

/** What Prometheus adds: docs/metrics.md and pod-monitor.yaml. */
const ofTarget = ['pod', 'node'];

const names = (expr: string): string[] =>
  [
    ...expr.matchAll(
      /\b(?:monoroot|controller_runtime|workqueue|reflector|rest_client|leader_election|precondition|process|nodejs)_\w+/g,
    ),
  ].map(([name]) => name);

describe('a dashboard', () => {
  test('asks for metrics that there are, by labels that they have', async () => {
    const known = await registered();
    for (const { where, panel } of panels) {
      for (const { expr } of panel.targets) {
        const asked = names(expr);
        expect(asked.length, where).toBeGreaterThan(0);
        for (const name of asked) expect(known.has(name), `${where}: ${name}`).toBe(true);
        const labels = [...asked.flatMap((name) => known.get(name) ?? []), ...ofTarget];
        const selected = [...expr.matchAll(/[{,]\s*(\w+)(?:=~|!=|=)"/g)].map(([, label]) => label);
        const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
          list.split(',').map((it) => it.trim()),
        );
        for (const label of [...selected, ...grouped]) expect(labels, `${where}: ${expr}`).toContain(label);
      }
    }
  });

  test('has choices of labels that there are', async () => {
    const known = await registered();
    const queries = built.flatMap(({ templating }) =>
      templating.list.flatMap(({ query }) => (typeof query === 'string' && query.includes('(') ? [query] : [])),
    );
    expect(queries).toHaveLength(3);
    for (const query of queries) {
      const [, name = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
      expect([...(known.get(name) ?? []), ...ofTarget], query).toContain(label);
    }
  });

  test('explains each panel, and no two panels overlap', () => {
    expect(panels.length).toBeGreaterThan(30);
    for (const { where, panel } of panels) expect(panel.description ?? '', where).toMatch(/\.$/);
    for (const { file, panels: all } of built) {
      const cells = all.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
      );
      expect(new Set(cells).size, file).toBe(cells.length);
    }
  });

  test('has a name of its own', () => {
    expect(new Set(built.map(({ uid }) => uid)).size).toBe(built.length);
  });
});

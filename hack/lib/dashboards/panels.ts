// The few shapes of panels that our dashboards have.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueTextMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import * as common from '@grafana/grafana-foundation-sdk/common';
import { DatasourceVariableBuilder, QueryVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Panel, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

const datasource = { type: 'prometheus', uid: '${datasource}' };

/** A query, and how its series are called: `{{label}}` stands for the value of a label. */
export interface Query {
  expr: string;
  legend?: string;
}

const target = ({ expr, legend = '__auto' }: Query, index: number, instant = false) => {
  const query = new DataqueryBuilder()
    .datasource(datasource)
    .expr(expr)
    .legendFormat(legend)
    .refId(String.fromCharCode(65 + index));
  return instant ? query.instant() : query.range();
};

interface Options {
  /** In Grafana's words: `s`, `bytes`, `percentunit`, `short`, … */
  unit?: string;
  description: string;
}

/** Lines over time; two in a row. `stacked`: one upon the other, for parts of a whole. */
export function lines(
  title: string,
  queries: Query[],
  { unit = 'short', description, stacked = false }: Options & { stacked?: boolean },
): Builder<Panel> {
  const panel = new TimeseriesBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .min(0)
    .fillOpacity(stacked ? 40 : 8)
    .lineWidth(1)
    .span(12)
    .height(8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (stacked) panel.stacking(new common.StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  for (const [index, query] of queries.entries()) panel.withTarget(target(query, index));
  return panel;
}

/** One number of now; four in a row. It is red from `bad` on, or shows the name of the series instead of its value. */
export function number(
  title: string,
  query: Query,
  { unit = 'short', description, bad, name = false }: Options & { bad?: number; name?: boolean },
): Builder<Panel> {
  const steps = [{ value: null, color: 'green' }, ...(bad === undefined ? [] : [{ value: bad, color: 'red' }])];
  return new StatBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .span(6)
    .height(4)
    .colorMode(bad === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .textMode(name ? BigValueTextMode.Name : BigValueTextMode.Auto)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .noValue('-')
    .withTarget(target(query, 0, true));
}

/** A list above the dashboard of the values that a label has; all of them at first. */
export const choice = (name: string, label: string, query: string, many: boolean): Builder<VariableModel> => {
  const variable = new QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .datasource(datasource)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
  return many
    ? variable.multi(true).includeAll(true).allValue('.*').current({ text: 'All', value: '$__all' })
    : variable;
};

interface About {
  uid: string;
  title: string;
  description: string;
}

/**
 * A dashboard in the form that every Grafana from version 9 on imports. The builder of the SDK is for the next form, which Grafana 12 knows. The
 * panels lie in rows of 24 columns, as they fit.
 */
export function dashboard(about: About, choices: Builder<VariableModel>[], panels: Builder<Panel>[]): object {
  const source = new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
  return {
    ...about,
    tags: ['monoroot'],
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    editable: true,
    templating: { list: [source, ...choices].map((it) => it.build()) },
    panels: inRows(panels.map((it) => it.build())),
  };
}

function inRows(panels: Panel[]): Panel[] {
  let [x, y, height] = [0, 0, 0];
  return panels.map((panel, index) => {
    const { w = 12, h = 8 } = panel.gridPos ?? {};
    if (x + w > 24) [x, y, height] = [0, y + height, 0];
    const placed = { ...panel, id: index + 1, gridPos: { x, y, w, h } };
    x += w;
    height = Math.max(height, h);
    return placed;
  });
}

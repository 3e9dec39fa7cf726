// Draws a dashboard as Grafana would show it, for the docs: the same panels at the same places, from the series of a real Prometheus.

/** A panel, as far as a picture needs it. */
export interface Panel {
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string; legendFormat: string }[];
  fieldConfig: {
    defaults: {
      unit?: string;
      custom?: { stacking?: { mode: string } };
      thresholds?: { steps: { value: number | null }[] };
    };
  };
  options: { textMode?: string };
}

export interface Dashboard {
  title: string;
  description: string;
  panels: Panel[];
}

/** A line of a panel: its name in the legend, and its points, in seconds since 1970. */
export interface Series {
  name: string;
  points: [seconds: number, value: number][];
}

const width = 1200;
const column = width / 24;
const rowHeight = 30;
const top = 70;
const gap = 6;
const colors = [
  '#1f77b4',
  '#d9730d',
  '#2e8540',
  '#b10e1e',
  '#6f42c1',
  '#8c564b',
  '#c2185b',
  '#5f6b6d',
  '#8a7a00',
  '#007a87',
];

/** The name that Grafana gives a series by the legend of its query. */
export const seriesName = (legend: string, labels: Readonly<Record<string, string>>): string =>
  legend === '__auto' ? '' : legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '').trim();

/** An SVG of a dashboard. `read` gives the series of each panel, by its title; a panel without series says so. */
export function pictureOf({ title, description, panels }: Dashboard, read: (title: string) => Series[]): string {
  const height = top + Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * rowHeight + gap;
  const body = panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    const place = { w: w * column - gap, h: h * rowHeight - gap };
    return (
      `<g transform="translate(${x * column + gap / 2} ${top + y * rowHeight})">` +
      `<rect width="${place.w}" height="${place.h}" rx="4" fill="#fff" stroke="#d0d7de"/>` +
      `<text x="10" y="19" font-weight="600">${escape(panel.title)}</text>` +
      (panel.type === 'stat' ? stat : chart)(panel, read(panel.title), place) +
      '</g>'
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#1f2328" role="img">` +
    `<title>${escape(title)}</title><rect width="${width}" height="${height}" fill="#f6f8fa"/>` +
    `<text x="10" y="30" font-size="20" font-weight="600">${escape(title)}</text><text x="10" y="52">${escape(description)}</text>` +
    `${body.join('')}</svg>\n`
  );
}

interface Place {
  w: number;
  h: number;
}

function stat({ fieldConfig, options }: Panel, [series]: Series[], { w, h }: Place): string {
  const value = series?.points.at(-1)?.[1];
  const { unit = 'short', thresholds } = fieldConfig.defaults;
  const text = value === undefined ? '-' : options.textMode === 'name' ? (series?.name ?? '') : inUnit(value, unit);
  const bad = thresholds?.steps.find((step) => step.value !== null)?.value ?? Infinity;
  const color = bad === Infinity ? '#1f2328' : value !== undefined && value >= bad ? '#b10e1e' : '#2e8540';
  return `<text x="${w / 2}" y="${h / 2 + 20}" font-size="28" text-anchor="middle" fill="${color}">${escape(text)}</text>`;
}

function chart({ fieldConfig }: Panel, all: Series[], { w, h }: Place): string {
  const { unit = 'short', custom } = fieldConfig.defaults;
  const series = custom?.stacking?.mode === 'normal' ? stacked(all) : all;
  const points = series.flatMap((it) => it.points);
  if (points.length === 0) return `<text x="${w / 2}" y="${h / 2}" text-anchor="middle" fill="#59636e">No data</text>`;
  const [left, right, low, bottom] = [70, w - 12, h - 62, 34];
  const times = points.map(([time]) => time);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const most = ceiling(Math.max(...points.map(([, value]) => value)), unit.startsWith('B') || unit === 'bytes');
  const x = (time: number) => round(left + ((time - from) / (to - from || 1)) * (right - left));
  const y = (value: number) => round(low - (value / most) * (low - bottom));
  const grid = [0, 0.5, 1].map((part) => {
    const at = y(part * most);
    return `<path d="M${left} ${at}H${right}" stroke="#e4e8ec"/><text x="${left - 6}" y="${at + 4}" text-anchor="end" fill="#59636e">${inUnit(part * most, unit)}</text>`;
  });
  const clock = [from, to].map(
    (time, index) =>
      `<text x="${x(time)}" y="${low + 16}" text-anchor="${index === 0 ? 'start' : 'end'}" fill="#59636e">${new Date(time * 1000).toISOString().slice(11, 19)}</text>`,
  );
  const lines = series.map(({ points: own }, index) => {
    const path = own.map(([time, value], i) => `${i === 0 ? 'M' : 'L'}${x(time)} ${y(value)}`).join('');
    return `<path d="${path}" fill="none" stroke="${colors[index % colors.length]}" stroke-width="1.5"/>`;
  });
  return [...grid, ...clock, ...lines, legend(series, w, h)].join('');
}

/** Names that find room in two rows, each after a mark of its color. */
function legend(series: readonly Series[], w: number, h: number): string {
  let [x, y] = [12, h - 26];
  const parts: string[] = [];
  for (const [index, { name }] of series.entries()) {
    const room = 24 + name.length * 7.4;
    if (x + room > w && x > 12) [x, y] = [12, y + 17];
    if (y > h - 8) break;
    parts.push(
      `<rect x="${round(x)}" y="${y - 6}" width="12" height="3" fill="${colors[index % colors.length]}"/><text x="${round(x + 16)}" y="${y}">${escape(name)}</text>`,
    );
    x += room;
  }
  return parts.join('');
}

/** Each upon those before it; where one has no point, it adds nothing. */
function stacked(series: readonly Series[]): Series[] {
  const below = new Map<number, number>();
  return series.map(({ name, points }) => ({
    name,
    points: points.map(([time, value]) => {
      const sum = (below.get(time) ?? 0) + value;
      below.set(time, sum);
      return [time, sum];
    }),
  }));
}

/** The next 1, 2 or 5 times a power of ten, or a power of two of bytes. */
function ceiling(value: number, isBytes: boolean): number {
  if (!(value > 0)) return 1;
  if (isBytes) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((it) => it * power >= value) ?? 10) * power;
}

/** A value in a unit of Grafana, short enough for an axis. */
export function inUnit(value: number, unit: string): string {
  const few = (number: number) => String(Number(number.toPrecision(3)));
  switch (unit) {
    case 'percentunit':
      return `${few(value * 100)}%`;
    case 's':
      return value >= 120
        ? `${few(value / 60)} min`
        : value > 0 && value < 1
          ? `${few(value * 1000)} ms`
          : `${few(value)} s`;
    case 'bytes':
    case 'Bps': {
      const power = Math.min(3, Math.max(0, Math.floor(Math.log2(value || 1) / 10)));
      return `${few(value / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB'][power]}${unit === 'Bps' ? '/s' : ''}`;
    }
    case 'ops':
    case 'reqps':
      return `${few(value)}/s`;
    default:
      return few(value);
  }
}

const round = (value: number): number => Math.round(value * 10) / 10;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

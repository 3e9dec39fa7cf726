import { expect, test } from 'vitest';
import { dashboards } from './dashboards.ts';
import { inUnit, pictureOf, seriesName } from './picture.ts';
import type { Dashboard } from './picture.ts';

const all = [...dashboards().values()].map((text) => JSON.parse(text) as Dashboard);
const none = () => [];

test.each(all)('$title: the picture has all panels, and says which have no data', (dashboard) => {
  const picture = pictureOf(dashboard, none);
  for (const { title } of dashboard.panels) expect(picture).toContain(`>${title.replaceAll('&', '&amp;')}<`);
  expect(picture.match(/>No data</g)).toHaveLength(dashboard.panels.filter(({ type }) => type !== 'stat').length);
});

const chart = (custom = {}): Dashboard => ({
  title: 'One',
  description: '',
  panels: [
    {
      type: 'timeseries',
      title: 'Lines',
      gridPos: { x: 0, y: 0, w: 12, h: 8 },
      targets: [],
      fieldConfig: { defaults: { unit: 'short', custom } },
      options: {},
    },
  ],
});
const ends = (picture: string) =>
  [...picture.matchAll(/L(\d+(?:\.\d+)?) (\d+(?:\.\d+)?)"/g)].map((it) => Number(it[2]));
const two = [
  {
    name: 'a',
    points: [
      [0, 0],
      [10, 5],
    ] as [number, number][],
  },
  {
    name: 'b',
    points: [
      [0, 0],
      [10, 5],
    ] as [number, number][],
  },
];

test('equal lines end at one height, and one above the other when they are stacked', () => {
  const [first, second] = ends(pictureOf(chart(), () => two));
  expect(first).toBe(second);
  const [low = 0, high = 0] = ends(pictureOf(chart({ stacking: { mode: 'normal' } }), () => two));
  expect(high).toBeLessThan(low);
});

test('names of series are text, whatever is in them', () => {
  const picture = pictureOf(chart(), () => [{ name: '<script>"&', points: [[0, 1]] }]);
  expect(picture).toContain('&lt;script&gt;&quot;&amp;');
  expect(picture).not.toContain('<script');
});

test('a number is red from the bad value on', () => {
  const panel = all.flatMap(({ panels }) => panels).find(({ type }) => type === 'stat');
  const bad = panel && {
    ...panel,
    fieldConfig: { defaults: { thresholds: { steps: [{ value: null }, { value: 2 }] } } },
  };
  const colorOf = (value: number) => {
    const picture = pictureOf({ title: '', description: '', panels: bad ? [bad] : [] }, () => [
      { name: '', points: [[0, value]] },
    ]);
    return /font-size="28".*?fill="(#\w+)"/.exec(picture)?.[1];
  };
  expect([colorOf(1), colorOf(2)]).toEqual(['#2e8540', '#b10e1e']);
});

test.each([
  ['{{os}}:{{version}}', { os: 'debian-12', version: 'v1' }, 'debian-12:v1'],
  ['{{result}} {{reason}}', { result: 'success' }, 'success'],
  ['__auto', { a: 'b' }, ''],
])('the legend %s names a series', (legend, labels, name) => {
  expect(seriesName(legend, labels as Record<string, string>)).toBe(name);
});

test.each([
  [0.153, 'percentunit', '15.3%'],
  [0.0042, 's', '4.2 ms'],
  [0, 's', '0 s'],
  [600, 's', '10 min'],
  [3 * 2 ** 20, 'bytes', '3 MiB'],
  [0, 'Bps', '0 B/s'],
  [12, 'reqps', '12/s'],
  [1234, 'short', '1230'],
])('%d in %s reads %s', (value, unit, text) => {
  expect(inUnit(value, unit)).toBe(text);
});

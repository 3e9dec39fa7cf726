import { computed } from '@preact/signals';
import type { History as HistoryPiece, HistoryRow } from '../cli/dashboard/views.ts';
import { go, note, noted, piece, pieces } from './store.ts';
import { Card, Empty, Virtual, local } from './ui.tsx';
import { count } from './words.ts';

/** Who ran what when, from the histories that containers keep of themselves. */

const rows = computed(() => {
  const text = noted('q').toLowerCase();
  return pieces<HistoryRow>('h/').filter(({ name }) => name.toLowerCase().includes(text));
});

export function History() {
  const history = piece('history');
  if (!history) return null;
  const { os, systems, versions } = history;
  if (systems.length === 0) return <Empty title="No container has run yet" />;
  return (
    <>
      <div class="tools">
        <label>
          Operating system{' '}
          <select value={os} onChange={(event) => go(`/history?os=${encodeURIComponent(event.currentTarget.value)}`)}>
            {systems.map((it) => (
              <option key={it} value={it}>
                {it}
              </option>
            ))}
          </select>
        </label>
      </div>
      {versions.length === 0 ? <Empty title={`No container of ${os} has run yet`} /> : <Chart of={history} />}
      {versions.length > 0 && (
        <section class="card list">
          <header>
            <h2>Each container</h2>
            <div class="aside">{count(rows.value.length)}</div>
          </header>
          <div class="tools">
            <input
              type="search"
              placeholder="Name"
              aria-label="Filter containers"
              value={noted('q')}
              onInput={(event) => note('q', event.currentTarget.value)}
            />
          </div>
          <div role="table" aria-label="Versions of each container over time" class="history">
            <Virtual
              rows={rows.value}
              height={28}
              label="Containers"
              keyOf={(row) => row.name}
              draw={(row) => <Line row={row} of={history} />}
            />
          </div>
        </section>
      )}
    </>
  );
}

const letterOf = (version: number) => String.fromCharCode(65 + (version % 26));

/** How many containers ran each version, one above the other. */
function Chart({ of: { columns, versions, start, end } }: { of: HistoryPiece }) {
  const most = Math.max(1, ...columns.map(({ counts }) => counts.reduce((sum, it) => sum + it, 0)));
  const last = columns.at(-1)?.counts ?? [];
  const height = 200;
  const bands = versions.map((version, index) => {
    const edge = (column: number, upTo: number) => {
      const counts = columns[column]?.counts ?? [];
      return height - (height * counts.slice(0, upTo).reduce((sum, it) => sum + it, 0)) / most;
    };
    const xs = columns.map((_, column) => column);
    const step = (upTo: number) => xs.flatMap((x) => [`${x} ${edge(x, upTo)}`, `${x + 1} ${edge(x, upTo)}`]);
    return { version, d: `M${step(index + 1).join('L')}L${step(index).reverse().join('L')}Z` };
  });
  return (
    <Card title="Versions over time" aside={`${count(last.reduce((sum, it) => sum + it, 0))} run now`}>
      <svg
        class="chart"
        viewBox={`0 0 ${columns.length} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={versions.map((it, i) => `${it}: ${last[i] ?? 0} now`).join(', ')}
      >
        {bands.map(({ version, d }, i) => (
          <path key={version} class={`v${i % 8}`} d={d}>
            <title>{version}</title>
          </path>
        ))}
      </svg>
      <p class="axis">
        <span>{local(start)}</span>
        <span>{local(end)}</span>
      </p>
      <ul class="legend">
        {versions.map((version, i) => (
          <li key={version}>
            <span class={`swatch v${i % 8}`}>{letterOf(i)}</span> {version} <b>{count(last[i] ?? 0)}</b>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Line({ row, of: { start, end, versions } }: { row: HistoryRow; of: HistoryPiece }) {
  const from = Date.parse(start);
  const width = Math.max(Date.parse(end) - from, 1);
  const [namespace = '', name = ''] = row.name.split('/');
  const text = row.runs
    .map((run) => `${versions[run.version] ?? ''}${run.failed ? ' failed' : ''} from ${local(run.from)}`)
    .join(', ');
  return (
    <>
      <span role="cell" class="name">
        <a href={`/containers/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`}>{row.name}</a>
      </span>
      <span role="cell" class="track" aria-label={text}>
        {row.runs.map((run) => {
          const left = (100 * (Date.parse(run.from) - from)) / width;
          const right = (100 * ((run.to === undefined ? Date.parse(end) : Date.parse(run.to)) - from)) / width;
          return (
            <span
              key={run.from}
              class={`run v${run.version % 8} ${run.failed ? 'failed' : ''}`}
              title={`${versions[run.version] ?? ''}${run.failed ? ', failed' : ''}`}
              style={{ left: `${left}%`, width: `max(${run.failed ? 10 : 3}px, ${right - left}%)` }}
            >
              {run.failed ? '✕' : right - left > 4 ? letterOf(run.version) : ''}
            </span>
          );
        })}
      </span>
    </>
  );
}

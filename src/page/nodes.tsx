import { computed } from '@preact/signals';
import type { NodeRow, Stored } from '../cli/dashboard/views.ts';
import { note, noted, pieces } from './store.ts';
import { Badge, Card, Empty, Until, Virtual } from './ui.tsx';
import { bytes, count, keptSign, storedSign } from './words.ts';

/** Nodes and what their stores hold. */

/** As many columns; the rest is on the page of the node. */
const mostImages = 12;

const all = computed(() => pieces<NodeRow>('n/'));
const shown = computed(() => {
  const text = noted('q').toLowerCase();
  const rows = all.value.filter(({ name, reason, images }) =>
    `${name} ${reason} ${images.map((it) => `${it.image} ${it.state} ${it.reason ?? ''}`).join(' ')}`
      .toLowerCase()
      .includes(text),
  );
  return rows.sort((a, b) => Number(a.ready) - Number(b.ready));
});
/** Those that most nodes have or should have, in the order of their names. */
const images = computed(() => {
  const counts = new Map<string, number>();
  for (const row of all.value) for (const { image } of row.images) counts.set(image, (counts.get(image) ?? 0) + 1);
  const most = [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, mostImages)
    .map(([image]) => image);
  return most.sort(new Intl.Collator('en', { numeric: true }).compare);
});

export function Nodes() {
  if (all.value.length === 0)
    return (
      <Empty title="No node stores images yet">
        There is a NodeStore for each node that an ImageDistribution selects.
      </Empty>
    );
  const waiting = all.value.filter(({ ready }) => !ready).length;
  return (
    <section class="card list">
      <header>
        <h2>Nodes</h2>
        <div class="aside">
          {count(all.value.length)}
          {waiting > 0 && `, ${count(waiting)} not complete`}
        </div>
      </header>
      <div class="tools">
        <input
          type="search"
          placeholder="Name, image, state or reason"
          aria-label="Filter nodes"
          value={noted('q')}
          onInput={(event) => note('q', event.currentTarget.value)}
        />
        <p class="legend">
          {['Ready', 'Fetching', 'Wanted', 'Failed', 'Deleting'].map((state) => (
            <Badge key={state} of={storedSign(state)} />
          ))}
          <Badge of={keptSign} />
        </p>
      </div>
      <div role="table" aria-label="Nodes" aria-rowcount={shown.value.length + 1} class="nodes">
        <div role="row" class="columns" aria-rowindex={1}>
          <span role="columnheader">Node</span>
          <span role="columnheader">State</span>
          <span role="columnheader">Disk</span>
          <span role="columnheader" class="number">
            Containers
          </span>
          <span role="columnheader" class="cells" aria-label="Images">
            {images.value.map((image, i) => (
              <span key={image} class="cell" title={image}>
                {i + 1}
              </span>
            ))}
          </span>
        </div>
        <Virtual
          rows={shown.value}
          height={44}
          label="Nodes"
          keyOf={(row) => row.name}
          draw={(row) => <Line row={row} />}
        />
      </div>
      <p class="legend images-legend">
        {images.value.map((image, i) => (
          <span key={image}>
            <b>{i + 1}</b> {image}
          </span>
        ))}
      </p>
    </section>
  );
}

const Line = ({ row }: { row: NodeRow }) => (
  <>
    <span role="cell" class="name">
      <a href={`/nodes/${encodeURIComponent(row.name)}`}>{row.name}</a>
    </span>
    <span role="cell">
      <Badge
        of={row.ready ? { sign: '✓', word: row.reason, tone: 'good' } : { sign: '!', word: row.reason, tone: 'warn' }}
      />
    </span>
    <span role="cell">
      <Disk row={row} />
    </span>
    <span role="cell" class="number">
      {count(row.running)}
    </span>
    <span role="cell" class="cells">
      {images.value.map((image) => (
        <StoredCell key={image} image={image} of={row.images.find((it) => it.image === image)} />
      ))}
    </span>
  </>
);

function Disk({ row: { used, free, capacity } }: { row: NodeRow }) {
  if (free === undefined || capacity === undefined) return <span class="muted">–</span>;
  const part = (value: number) => `${(100 * value) / capacity}%`;
  const others = Math.max(0, capacity - free - (used ?? 0));
  const text = `${bytes(used)} images, ${bytes(others)} others, ${bytes(free)} free of ${bytes(capacity)}`;
  return (
    <span class="disk" title={text}>
      <span class="bar" role="img" aria-label={text}>
        <span class="fill images" style={{ width: part(used ?? 0) }} />
        <span class="fill others" style={{ width: part(others) }} />
      </span>
      <span class="muted">{bytes(free)} free</span>
    </span>
  );
}

function StoredCell({ image, of }: { image: string; of: Stored | undefined }) {
  if (!of) return <span class="cell none" title={`${image}: not here`} />;
  const { sign, word, tone } = of.retained && of.state === 'Ready' ? keptSign : storedSign(of.state);
  const text = [`${image}: ${word}`, of.percent === undefined ? '' : `${of.percent}%`, of.reason ?? '']
    .filter((it) => it !== '')
    .join(', ');
  return (
    <span class={`cell ${tone}`} title={text} role="img" aria-label={text}>
      {of.percent ?? sign}
    </span>
  );
}

/** All images of one node, with what holds them up. */
export const StoredList = ({ row }: { row: NodeRow }) => (
  <Card
    title="Store"
    aside={`${row.held} of ${row.desired} stored${row.kept > 0 ? `, ${row.kept} kept from before` : ''}`}
  >
    <dl class="facts">
      <dt>Disk</dt>
      <dd>
        <Disk row={row} />
      </dd>
      <dt>Containers</dt>
      <dd>{count(row.running)}</dd>
    </dl>
    <ul class="conditions">
      {row.images.map((it) => (
        <li key={it.image}>
          <div class="head">
            <Badge of={it.retained && it.state === 'Ready' ? keptSign : storedSign(it.state)} />
            <b>{it.image}</b>
            <span class="muted">
              {it.percent !== undefined && `${it.percent}% `}
              {it.reason}
              {it.retryTime !== undefined && (
                <>
                  {' '}
                  · tried again in <Until time={it.retryTime} />
                </>
              )}
            </span>
          </div>
          {it.message !== undefined && <p class="message">{it.message}</p>}
        </li>
      ))}
    </ul>
  </Card>
);

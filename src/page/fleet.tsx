import { computed } from '@preact/signals';
import type { ContainerRow, OsCard, State, Trouble, Troubles } from '../cli/dashboard/views.ts';
import { nodesText, states } from '../cli/dashboard/views.ts';
import { inOrder, keysOf } from './order.ts';
import { note, noted, piece, pieces } from './store.ts';
import { Badge, Card, Chips, Command, Empty, Meter, ObjectLink, Since, Virtual } from './ui.tsx';
import { count, plural, standingSigns, stateSigns } from './words.ts';

/** Who runs what, and who needs a person first. */

const rows = computed(() => {
  const text = noted('q').toLowerCase();
  const state = noted('state');
  return inOrder(
    pieces<ContainerRow>('c/').filter(
      (row) => (state === '' || row.state === state) && (text === '' || keysOf(row).text.includes(text)),
    ),
  );
});

export function Fleet() {
  const troubles = piece('troubles');
  if (!troubles) return null;
  const cards = pieces<OsCard>('os/');
  const total = Object.values(troubles.containers).reduce((sum, it) => sum + it, 0);
  return (
    <>
      <Banner troubles={troubles} total={total} />
      {troubles.groups.length > 0 && (
        <Card title="Needs you">
          <ul class="troubles">
            {troubles.groups.map((it) => (
              <TroubleItem key={`${it.kind}${it.reason}`} of={it} />
            ))}
          </ul>
        </Card>
      )}
      {cards.length === 0 && (
        <Empty title="There are no images yet">
          Create an OSImage and an ImageDistribution. From an image of a registry: kubectl monoroot image import
        </Empty>
      )}
      <div class="grid">
        {cards.map((card) => (
          <Os key={card.os} card={card} />
        ))}
      </div>
      {total > 0 && <Containers counts={troubles.containers} total={total} />}
    </>
  );
}

function Banner({ troubles, total }: { troubles: Troubles; total: number }) {
  const { Moving: moving, Down: down } = troubles.containers;
  const isWell = troubles.count === 0;
  return (
    <div class={`banner ${isWell ? (down > 0 ? 'warn' : 'good') : 'bad'}`} role="status">
      <span class="sign" aria-hidden="true">
        {isWell ? '✓' : '!'}
      </span>
      <div>
        <p class="strong">
          {isWell ? 'Nothing needs you' : `${plural(troubles.count, 'object needs', 'objects need')} you`}
        </p>
        <p>
          {plural(total, 'container')}
          {moving > 0 && `, ${count(moving)} on their way`}
          {down > 0 && `, ${count(down)} down`}
        </p>
      </div>
    </div>
  );
}

function TroubleItem({ of }: { of: Trouble }) {
  return (
    <li>
      <div class="head">
        <Badge of={stateSigns.NeedsYou}>{of.reason}</Badge>
        <span class="muted">
          {plural(of.count, of.kind)}, since <Since time={of.since} />
        </span>
      </div>
      <p class="message">{of.message}</p>
      <p class="links">
        {of.examples.map((it, i) => (
          <>
            {i > 0 && ', '}
            <ObjectLink to={it} />
          </>
        ))}
        {of.count > of.examples.length && ` and ${count(of.count - of.examples.length)} more`}
      </p>
      <Command text={of.command} />
    </li>
  );
}

function Os({ card }: { card: OsCard }) {
  const running = card.versions.reduce((sum, it) => sum + it.running, 0);
  return (
    <Card
      title={card.os}
      aside={
        card.default === undefined ? (
          'no default version'
        ) : (
          <>
            default <b>{card.default}</b>
          </>
        )
      }
    >
      <div
        class="versions-bar"
        role="img"
        aria-label={card.versions.map((it) => `${it.version}: ${it.running}`).join(', ')}
      >
        {card.versions.map((it, i) =>
          it.running === 0 ? null : (
            <span
              key={it.version}
              class={`v${i % 8}`}
              style={{ flexGrow: it.running }}
              title={`${it.version}: ${count(it.running)}`}
            >
              {it.running / running > 0.12 && it.version}
            </span>
          ),
        )}
      </div>
      <table class="versions">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col" class="number">
              Runs
            </th>
            <th scope="col" class="number">
              On the way
            </th>
            <th scope="col" class="number">
              Failed
            </th>
            <th scope="col" class="number">
              Nodes
            </th>
          </tr>
        </thead>
        <tbody>
          {card.versions.map((it, i) => (
            <tr key={it.version}>
              <th scope="row">
                <span class={`swatch v${i % 8}`} aria-hidden="true" />
                {it.unknown ? (
                  it.version
                ) : (
                  <a href={`/images/${encodeURIComponent(`${card.os}.${it.version}`)}`}>{it.version}</a>
                )}
                {it.default && <span class="tag">default</span>}
                {it.condemned !== undefined && (
                  <span class="tag bad" title={it.condemned}>
                    condemned
                  </span>
                )}
                {it.unknown && <span class="tag">no OSImage</span>}
              </th>
              <td class="number">{count(it.running)}</td>
              <td class="number">{it.target === 0 ? '–' : count(it.target)}</td>
              <td class={`number ${it.failed > 0 ? 'bad-text' : ''}`}>{it.failed === 0 ? '–' : count(it.failed)}</td>
              <td class="number">
                {it.nodes.desired > 0
                  ? `${count(it.nodes.ready)}/${count(it.nodes.desired)}`
                  : it.nodes.ready > 0
                    ? `${count(it.nodes.ready)} kept`
                    : '–'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {card.distributions.map((it) => (
        <a key={it.name} class="distribution" href={`/rollouts/${encodeURIComponent(it.name)}`}>
          <Badge of={standingSigns[it.standing]} />
          <span class="name">{it.name}</span>
          {it.containers ? (
            <Meter value={it.containers.updated} of={it.containers.following} tone={standingSigns[it.standing].tone} />
          ) : (
            <span />
          )}
          <span class="muted">
            {it.containers
              ? `${count(it.containers.updated)} of ${count(it.containers.following)}`
              : nodesText(it.nodes)}
          </span>
        </a>
      ))}
    </Card>
  );
}

function Containers({ counts, total }: { counts: Record<State, number>; total: number }) {
  const shown = rows.value;
  return (
    <section class="card list">
      <header>
        <h2>Containers</h2>
        <div class="aside" aria-live="polite">
          {shown.length === total ? count(total) : `${count(shown.length)} of ${count(total)}`}
        </div>
      </header>
      <div class="tools">
        <input
          type="search"
          placeholder="Name, image, node or reason"
          aria-label="Filter containers"
          value={noted('q')}
          onInput={(event) => note('q', event.currentTarget.value)}
        />
        <Chips
          label="State"
          all={states.map((key) => ({ key, sign: stateSigns[key], count: counts[key] }))}
          chosen={noted('state')}
          choose={(key) => note('state', key)}
        />
      </div>
      <div role="table" aria-rowcount={shown.length + 1} aria-label="Containers" class="containers">
        <div role="row" class="columns" aria-rowindex={1}>
          <span role="columnheader">State</span>
          <span role="columnheader">Name</span>
          <span role="columnheader">Image</span>
          <span role="columnheader">Reason</span>
          <span role="columnheader">Node</span>
          <span role="columnheader" class="number">
            Since
          </span>
        </div>
        <Virtual
          rows={shown}
          height={36}
          label="Containers"
          keyOf={(row) => `${row.namespace}/${row.name}`}
          draw={(row) => <ContainerLine row={row} />}
        />
      </div>
      {shown.length === 0 && <Empty title="No container is like that">Change the filter.</Empty>}
    </section>
  );
}

const ContainerLine = ({ row }: { row: ContainerRow }) => (
  <>
    <span role="cell">
      <Badge of={stateSigns[row.state]} />
    </span>
    <span role="cell" class="name">
      <ObjectLink to={{ kind: 'HostedContainer', namespace: row.namespace, name: row.name }} />
    </span>
    <span role="cell">
      {row.image ?? row.os}
      {row.target !== undefined && row.target !== row.image && ` → ${row.target}`}
    </span>
    <span role="cell" class="muted">
      {row.reason}
    </span>
    <span role="cell" class="muted">
      {row.node ?? ''}
    </span>
    <span role="cell" class="number muted">
      <Since time={row.since} />
    </span>
  </>
);

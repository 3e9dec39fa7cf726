import { computed } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { pathOf } from '../cli/dashboard/routes.ts';
import { nodesText } from '../cli/dashboard/views.ts';
import type { Cell, CellState, DistributionLine, RolloutPage } from '../cli/dashboard/views.ts';
import { ObjectView } from './object.tsx';
import { note, noted, piece, pieces } from './store.ts';
import { Badge, Card, Chips, Empty, Meter, Since, Until, Virtual, local } from './ui.tsx';
import { cellSigns, count, plural, standingSigns } from './words.ts';

/** Distributions and their rollouts. */

export function Rollouts() {
  const lines = pieces<DistributionLine>('d/');
  if (lines.length === 0)
    return (
      <Empty title="Nothing is distributed yet">
        An ImageDistribution brings an image to nodes and makes it the default version.
      </Empty>
    );
  return (
    <>
      {lines.map((it) => (
        <a key={it.name} class="card link" href={`/rollouts/${encodeURIComponent(it.name)}`}>
          <header>
            <h2>{it.name}</h2>
            <div class="aside">
              <Badge of={standingSigns[it.standing]} />
            </div>
          </header>
          <p class="strong">{it.image}</p>
          {it.containers && (
            <Meter value={it.containers.updated} of={it.containers.following} tone={standingSigns[it.standing].tone} />
          )}
          <ul class="told">
            {it.told.map((line, i) => (
              <li key={i}>{line}</li>
            ))}
          </ul>
        </a>
      ))}
    </>
  );
}

export function Rollout() {
  const page = piece('rollout');
  return (
    <ObjectView what="distribution">
      {page && (
        <>
          <Card title={page.image} aside={<Badge of={standingSigns[page.standing]} />}>
            <ul class="told">
              {page.told.map((line, i) => (
                <li key={i}>{line}</li>
              ))}
            </ul>
            <Facts page={page} />
          </Card>
          {page.moves && <Cells counts={page.moves.counts} />}
          {page.moves && page.moves.gates.length > 0 && <Gates of={page.moves.gates} />}
          {page.failedNodes.length > 0 && <FailedNodes of={page.failedNodes} />}
        </>
      )}
    </ObjectView>
  );
}

function Facts({ page: { nodes, moves } }: { page: RolloutPage }) {
  const total = moves ? Object.values(moves.counts).reduce((sum, it) => sum + it, 0) : 0;
  return (
    <dl class="facts">
      <dt>Nodes</dt>
      <dd>
        {nodes.desired > 0 && <Meter value={nodes.ready} of={nodes.desired} />} {nodesText(nodes)}
        {nodes.failed > 0 && `, ${count(nodes.failed)} failed`}
        {nodes.unreachable > 0 && `, ${count(nodes.unreachable)} silent`}
      </dd>
      {moves && (
        <>
          <dt>Containers</dt>
          <dd>
            <Meter value={moves.counts.Updated} of={total} /> {count(moves.counts.Updated)} of {count(total)}
          </dd>
          <dt>Budget</dt>
          <dd>
            <Meter value={moves.budget.down.length} of={moves.budget.most} tone="warn" />{' '}
            {count(moves.budget.down.length)} of {count(moves.budget.most)} that may be unavailable
            {moves.budget.down.length > 0 && (
              <span class="muted">
                : {moves.budget.down.slice(0, 3).join(', ')}
                {moves.budget.down.length > 3 && ` and ${count(moves.budget.down.length - 3)} more`}
              </span>
            )}
          </dd>
          <dt>Failures</dt>
          <dd>
            {count(moves.failures)}; more than {count(moves.maxFailures)} halt it
          </dd>
          <dt>Stage</dt>
          <dd>{stageOf(moves)}</dd>
          {moves.soak && (
            <>
              <dt>Soak</dt>
              <dd>
                <Until time={moves.soak.to} />, until {local(moves.soak.to)}
              </dd>
            </>
          )}
          {moves.windows.schedules.length > 0 && (
            <>
              <dt>Windows</dt>
              <dd>
                {moves.windows.open ? 'open' : 'closed'}
                {moves.windows.changeTime !== undefined && (
                  <>
                    {' '}
                    for <Until time={moves.windows.changeTime} />
                  </>
                )}{' '}
                <span class="muted">({moves.windows.schedules.join('; ')})</span>
              </dd>
            </>
          )}
          {moves.estimatedCompletionTime !== undefined && (
            <>
              <dt>Forecast</dt>
              <dd>
                done in <Until time={moves.estimatedCompletionTime} />, {local(moves.estimatedCompletionTime)}
              </dd>
            </>
          )}
        </>
      )}
    </dl>
  );
}

function stageOf(moves: NonNullable<RolloutPage['moves']>): string {
  if (moves.startTime === undefined) return 'it has not begun';
  if (moves.completionTime !== undefined) return `done, ${local(moves.completionTime)}`;
  return `${moves.wave === 0 ? 'canaries' : `wave ${moves.wave}`}${moves.paused ? ', paused' : ''}, began ${local(moves.startTime)}`;
}

const order: readonly CellState[] = ['Reverted', 'Failed', 'Blocked', 'Moving', 'Leaving', 'Updated', 'Waiting', 'New'];
const side = 22;

const cells = computed(() => {
  const state = noted('state');
  return pieces<Cell>('f/').filter((it) => state === '' || it.state === state);
});

/** Each container is a cell, as many in a line as there is room for. */
function Cells({ counts }: { counts: Record<CellState, number> }) {
  const place = useRef<HTMLDivElement>(null);
  const [across, setAcross] = useState(40);
  useLayoutEffect(() => {
    const look = () => setAcross(Math.max(8, Math.floor((place.current?.clientWidth ?? 880) / side)));
    look();
    addEventListener('resize', look);
    return () => removeEventListener('resize', look);
  }, []);
  const shown = cells.value;
  const lines = Array.from({ length: Math.ceil(shown.length / across) }, (_, i) =>
    shown.slice(i * across, (i + 1) * across),
  );
  return (
    <section class="card">
      <header>
        <h2>Each container</h2>
        <div class="aside">{plural(shown.length, 'container')}</div>
      </header>
      <div class="tools">
        <Chips
          label="State"
          all={order.map((key) => ({ key, sign: cellSigns[key], count: counts[key] }))}
          chosen={noted('state')}
          choose={(key) => note('state', key)}
        />
        <p class="legend">
          <span class="cell quiet canary">·</span> framed: canaries
        </p>
      </div>
      <div ref={place}>
        <Virtual
          rows={lines}
          height={side}
          label="Containers"
          keyOf={(line) => line[0]?.name ?? ''}
          draw={(line) => line.map((it) => <CellLink key={it.name} of={it} />)}
        />
      </div>
      {shown.length === 0 && (
        <Empty title="No container is moved by it">
          Containers whose spec.image names no version follow the default version.
        </Empty>
      )}
    </section>
  );
}

function CellLink({ of }: { of: Cell }) {
  const { sign, word, tone } = cellSigns[of.state];
  const [namespace = '', name = ''] = of.name.split('/');
  const text = [
    of.name,
    word,
    ...(of.canary ? ['canary'] : []),
    ...(of.suspended ? ['suspended'] : []),
    ...(of.available || of.suspended ? [] : ['not available']),
  ].join(', ');
  return (
    <a
      class={`cell ${of.suspended ? 'quiet' : tone} ${of.canary ? 'canary' : ''}`}
      href={pathOf({ kind: 'HostedContainer', namespace, name })}
      title={text}
      aria-label={text}
    >
      {of.suspended ? '‖' : sign}
    </a>
  );
}

const Gates = ({ of }: { of: NonNullable<RolloutPage['moves']>['gates'] }) => (
  <Card title="Gates">
    <ul class="conditions">
      {of.map((gate) => (
        <li key={gate.name}>
          <div class="head">
            <Badge
              of={
                gate.holds === undefined
                  ? { sign: '○', word: 'not asked yet', tone: 'quiet' }
                  : gate.holds
                    ? { sign: '✓', word: 'holds', tone: 'good' }
                    : { sign: '✕', word: 'does not hold', tone: 'bad' }
              }
            />
            <b>{gate.name}</b>
            <span class="muted">
              {count(gate.failures)} of {count(gate.limit)} failures
              {gate.time !== undefined && (
                <>
                  {' '}
                  · <Since time={gate.time} /> ago
                </>
              )}
            </span>
          </div>
          {gate.message !== undefined && <p class="message">{gate.message}</p>}
        </li>
      ))}
    </ul>
  </Card>
);

const FailedNodes = ({ of }: { of: RolloutPage['failedNodes'] }) => (
  <Card title="Nodes that could not get it">
    <ul class="conditions">
      {of.map((it) => (
        <li key={it.node}>
          <div class="head">
            <Badge of={{ sign: '✕', word: it.reason, tone: 'bad' }} />
            <a href={`/nodes/${encodeURIComponent(it.node)}`}>{it.node}</a>
          </div>
          <p class="message">{it.message}</p>
        </li>
      ))}
    </ul>
  </Card>
);

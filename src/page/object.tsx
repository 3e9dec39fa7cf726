import type { ComponentChildren } from 'preact';
import type { ConditionRow, Events, FailedRow, PodPage, Run, Why } from '../cli/dashboard/views.ts';
import { Steps } from './images.tsx';
import { StoredList } from './nodes.tsx';
import { piece } from './store.ts';
import { Badge, Card, Command, Empty, ObjectLink, Since, local } from './ui.tsx';
import { bytes, span, stateSigns, whySigns } from './words.ts';

/** One object: why it is as it is. */

const kinds = { HostedContainer: 'Container', ImageDistribution: 'Distribution', OSImage: 'Image', NodeStore: 'Node' };

export function ObjectView({ what, children }: { what: string; children?: ComponentChildren }) {
  const page = piece('object');
  if (!page) return <Empty title={`There is no ${what} of this name`}>It was deleted, or you may not see it.</Empty>;
  const { ref, why, conditions } = page;
  return (
    <>
      <div class="title">
        <p class="muted">
          {kinds[ref.kind]}
          {ref.namespace !== undefined && <> in {ref.namespace}</>}
        </p>
        <h1>{ref.name}</h1>
        <Badge of={whySigns[why.standing]} />
      </div>
      <WhyCard why={why} />
      {children}
      <Conditions rows={conditions} />
    </>
  );
}

function WhyCard({ why }: { why: Why }) {
  const isWell = why.standing === 'Well' && why.chain.length === 1;
  return (
    <Card title="Why">
      <dl class="facts">
        <dt>Asked</dt>
        <dd>{why.asked}</dd>
        <dt>Runs</dt>
        <dd>{why.runs}</dd>
        {!isWell && (
          <>
            <dt>Because</dt>
            <dd>
              <ol class="chain">
                {why.chain.map((link, i) => (
                  <li key={i}>
                    <ObjectLink to={link.ref}>{link.object}</ObjectLink> <b>{link.reason}</b>
                    <p class="message">{link.message}</p>
                  </li>
                ))}
              </ol>
            </dd>
          </>
        )}
        {isWell && (
          <>
            <dt>State</dt>
            <dd>
              <b>{why.cause.reason}</b>
              <p class="message">{why.cause.message}</p>
            </dd>
          </>
        )}
        <dt>Next</dt>
        <dd>{why.next}</dd>
      </dl>
      <Command text={why.command} />
      {why.unseen.length > 0 && <p class="hint">You may not list {why.unseen.join(', ')}: the cause may be there.</p>}
    </Card>
  );
}

const conditionTone = ({ type, status }: ConditionRow) =>
  ['Stalled', 'Reconciling', 'RolloutHalted', 'Condemned'].includes(type)
    ? status === 'True'
      ? type === 'Reconciling'
        ? 'busy'
        : 'bad'
      : 'quiet'
    : status === 'True'
      ? 'good'
      : status === 'False'
        ? 'bad'
        : 'busy';

const conditionSign = { good: '✓', bad: '✕', busy: '↻', quiet: '–', warn: '!' } as const;

const Conditions = ({ rows }: { rows: readonly ConditionRow[] }) => (
  <Card title="Conditions">
    {rows.length === 0 && <Empty title="The operator has written no status yet" />}
    <ul class="conditions">
      {rows.map((row) => (
        <li key={row.type}>
          <div class="head">
            <Badge of={{ sign: conditionSign[conditionTone(row)], word: row.type, tone: conditionTone(row) }} />
            <span class="muted">
              {row.status} · {row.reason} · <Since time={row.since} />
            </span>
          </div>
          {row.message !== '' && <p class="message">{row.message}</p>}
        </li>
      ))}
    </ul>
  </Card>
);

export function ContainerView() {
  const container = piece('container');
  const pod = piece('pod');
  const events = piece('events');
  return (
    <ObjectView what="container">
      {container && (
        <Card title="Runs" aside={<Badge of={stateSigns[container.row.state]} />}>
          <dl class="facts">
            <dt>Image</dt>
            <dd>
              {container.row.image ?? 'nothing'}
              {container.row.target !== undefined && ` → ${container.row.target}`}
              {container.follows && <span class="tag">follows the default version</span>}
            </dd>
            <dt>Last known good</dt>
            <dd>{container.lastKnownGood ?? 'none yet'}</dd>
            {container.digest !== undefined && (
              <>
                <dt>Digest</dt>
                <dd>
                  <code class="digest">{container.digest}</code>
                </dd>
              </>
            )}
            <dt>Pod</dt>
            <dd>
              {podText(pod)}
              {container.podIP !== undefined && `, ${container.podIP}`}
            </dd>
          </dl>
        </Card>
      )}
      {container && container.history.length > 0 && <RunsCard runs={container.history} />}
      {container && container.failed.length > 0 && <Failed rows={container.failed} />}
      {events && <EventsCard events={events} />}
    </ObjectView>
  );
}

function podText(pod: PodPage | undefined): string {
  if (!pod || pod.state === 'Reading') return '…';
  if (pod.state === 'Forbidden') return 'you may not read Pods here';
  if (pod.phase === undefined) return 'there is none';
  const states = pod.containers.map(({ state, restarts }) => `${state}${restarts > 0 ? `, ${restarts} restarts` : ''}`);
  return [
    pod.phase,
    ...(pod.ready === 'True' ? ['Ready'] : ['not Ready']),
    ...states,
    ...(pod.node === undefined ? [] : [`on ${pod.node}`]),
  ].join(', ');
}

const outcomeTone: Record<string, string> = { Succeeded: 'good', Reverted: 'bad', Failed: 'bad', Superseded: 'quiet' };

/** Versions over time, the newest on the right, and the same in words. */
function RunsCard({ runs }: { runs: readonly Run[] }) {
  const start = Math.min(...runs.map(({ from }) => Date.parse(from)));
  const now = Date.now();
  const width = Math.max(now - start, 1);
  return (
    <Card title="History">
      <div class="runs-bar" aria-hidden="true">
        {runs.map(({ image, from, to, outcome = '' }) => (
          <span
            key={from}
            class={outcomeTone[outcome] ?? 'busy'}
            title={image}
            style={{
              left: `${(100 * (Date.parse(from) - start)) / width}%`,
              width: `max(4px, ${(100 * ((to === undefined ? now : Date.parse(to)) - Date.parse(from))) / width}%)`,
            }}
          />
        ))}
      </div>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Image</th>
              <th scope="col">From</th>
              <th scope="col">For</th>
              <th scope="col">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {runs.map(({ image, from, to, outcome, message }) => (
              <tr key={from}>
                <th scope="row">{image}</th>
                <td>{local(from)}</td>
                <td>
                  {span((to === undefined ? now : Date.parse(to)) - Date.parse(from))}
                  {to === undefined && ' until now'}
                </td>
                <td>
                  {outcome ?? 'on trial'}
                  {message !== undefined && <p class="message">{message}</p>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

const Failed = ({ rows }: { rows: readonly FailedRow[] }) => (
  <Card title="Failed images">
    <ul class="conditions">
      {rows.map((row) => (
        <li key={`${row.image}${row.time}`}>
          <div class="head">
            <Badge of={{ sign: '✕', word: row.image, tone: 'bad' }} />
            <span class="muted">
              {row.reason} · {row.attempts} {row.attempts === 1 ? 'attempt' : 'attempts'} · <Since time={row.time} />{' '}
              ago
            </span>
          </div>
          <pre>{row.message}</pre>
        </li>
      ))}
    </ul>
  </Card>
);

const EventsCard = ({ events }: { events: Events }) => (
  <Card title="Events">
    {events.state === 'Forbidden' && <Empty title="You may not read events here" />}
    {events.state === 'Reading' && <p class="hint">Reading…</p>}
    {events.state === 'Live' && events.rows.length === 0 && (
      <Empty title="No events">Kubernetes keeps them for about an hour.</Empty>
    )}
    <ul class="events">
      {events.rows.map((row, i) => (
        <li key={i}>
          <span class="muted when">
            <Since time={row.time} />
          </span>
          <b class={row.type === 'Warning' ? 'bad-text' : ''}>
            {row.type === 'Warning' && '! '}
            {row.reason}
          </b>
          <span>
            {row.note}
            {row.count > 1 && <span class="muted"> ({row.count} times)</span>}
          </span>
        </li>
      ))}
    </ul>
  </Card>
);

export function ImageView() {
  const row = piece('image');
  return (
    <ObjectView what="image">
      {row && (
        <Card title="Life">
          <Steps of={row.steps} long />
          <dl class="facts">
            <dt>Size</dt>
            <dd>
              {bytes(row.bytes)}
              {row.sharedBytes !== undefined &&
                row.sharedBytes > 0 &&
                `, of which ${bytes(row.sharedBytes)} are shared with other images`}
            </dd>
            <dt>Runs in</dt>
            <dd>{row.running} containers</dd>
            {row.digest !== undefined && (
              <>
                <dt>Digest</dt>
                <dd>
                  <code class="digest">{row.digest}</code>
                </dd>
              </>
            )}
            {row.condemned !== undefined && (
              <>
                <dt>Condemned</dt>
                <dd>
                  <pre>{row.condemned}</pre>
                </dd>
              </>
            )}
          </dl>
        </Card>
      )}
    </ObjectView>
  );
}

export function NodeView() {
  const row = piece('node');
  return <ObjectView what="node">{row && <StoredList row={row} />}</ObjectView>;
}

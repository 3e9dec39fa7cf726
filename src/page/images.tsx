import { nodesText } from '../cli/dashboard/views.ts';
import type { ImageRow, Step } from '../cli/dashboard/views.ts';
import { pieces } from './store.ts';
import { Badge, Card, Empty, Meter, Since } from './ui.tsx';
import { bytes, count, span, stepSigns } from './words.ts';

/** All images, and how far each is on its way. */
export function Images() {
  const systems = Map.groupBy(pieces<ImageRow>('i/'), ({ os }) => os);
  if (systems.size === 0)
    return (
      <Empty title="There are no images yet">Create an OSImage, or import one: kubectl monoroot image import</Empty>
    );
  return (
    <>
      {[...systems].map(([os, rows]) => (
        <Card key={os} title={os} aside={`${rows.length} ${rows.length === 1 ? 'version' : 'versions'}`}>
          <ul class="images">
            {rows.map((row) => (
              <li key={row.object}>
                <div class="head">
                  <a class="strong" href={`/images/${encodeURIComponent(row.object)}`}>
                    {row.version}
                  </a>
                  {row.default && <span class="tag">default</span>}
                  {row.condemned !== undefined && <span class="tag bad">condemned</span>}
                  <Badge
                    of={
                      row.ready
                        ? { sign: '✓', word: row.reason, tone: 'good' }
                        : { sign: '↻', word: row.reason, tone: 'busy' }
                    }
                  />
                </div>
                <Steps of={row.steps} />
                <div class="numbers">
                  <span>
                    <b>{count(row.running)}</b> containers
                  </span>
                  <span>
                    {row.nodes.desired > 0 && <Meter value={row.nodes.ready} of={row.nodes.desired} />}{' '}
                    {nodesText(row.nodes)}
                  </span>
                  <span title={`${bytes(row.sharedBytes)} of it shared with other images`}>
                    <b>{bytes(row.bytes)}</b>
                  </span>
                </div>
              </li>
            ))}
          </ul>
        </Card>
      ))}
    </>
  );
}

/** Built, tested, published, stored: a line of steps. */
export const Steps = ({ of, long = false }: { of: readonly Step[]; long?: boolean }) => (
  <ol class={`steps ${long ? 'long' : ''}`}>
    {of.map((step) => (
      <li key={step.name} class={stepSigns[step.state].tone}>
        <span class="sign" aria-hidden="true">
          {stepSigns[step.state].sign}
        </span>
        <span>
          <span class="name">{step.name}</span> <span class="hidden">{stepSigns[step.state].word}</span>
          {step.seconds !== undefined && <span class="muted"> {span(step.seconds * 1000)}</span>}
          {long && step.time !== undefined && (
            <span class="muted">
              {' '}
              · <Since time={step.time} /> ago
            </span>
          )}
          {step.detail !== undefined && (long || step.state !== 'Failed') && (
            <span class="muted detail"> {step.detail}</span>
          )}
        </span>
      </li>
    ))}
  </ol>
);

import type { Batch, Simulated } from '../../controllers/imagedistribution/forecast/simulate.ts';
import { formatTime } from '../../runtime/time.ts';
import { printable, span, table } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import type { Foreseen } from './foresee.ts';

/** More steps are left out in the middle. */
const mostSteps = 24;

/** A plan for a person. */
export function renderPlan(foreseen: Foreseen, warnings: readonly string[], now: Date, screen: Screen): string[] {
  const { subject, forecast } = foreseen;
  const { metadata, spec } = subject.distribution;
  const { typical } = forecast;
  const head = `imagedistribution/${metadata.name} (${spec.image}): ${typical.following} containers, at most ${typical.maxUnavailable} unavailable at once`;
  return [
    screen.paint('bold', head),
    '',
    ...table([['WHEN', 'AFTER', 'WHAT'], ...shortened(steps(foreseen, now))]),
    '',
    endOf(foreseen, now),
    ...assumptions(foreseen),
    ...(warnings.length === 0 ? [] : ['', screen.paint('yellow', 'What you may not expect:')]),
    ...warnings.map((text) => `  - ${text}`),
  ];
}

function steps({ forecast: { typical }, subject, lacking, distributionSeconds }: Foreseen, now: Date): string[][] {
  const at = (time: Date, what: string) => [formatTime(time), time < now ? '-' : span((time.getTime() - now.getTime()) / 1000), what]; // prettier-ignore
  const distributed = new Date(now.getTime() + distributionSeconds * 1000);
  const closed = typical.closed.map(({ from, to }) => ({ time: from, what: `no window is open; the next one opens in ${span((to.getTime() - from.getTime()) / 1000)}` })); // prettier-ignore
  const events = [
    ...typical.batches.map((batch) => ({ time: batch.time, what: describe(batch) })),
    ...closed,
    ...(typical.haltTime
      ? [
          {
            time: typical.haltTime,
            what: `${typical.haltTime < now ? 'it has halted' : 'it halts'}: ${printable(typical.message).slice(0, 120)}`,
          },
        ]
      : []),
  ].sort((a, b) => a.time.getTime() - b.time.getTime());
  return [
    ...(lacking > 0 && distributionSeconds < 365 * 86400
      ? [at(distributed, `${lacking} nodes have got ${subject.distribution.spec.image}; it is the default version`)]
      : []),
    ...events.map(({ time, what }) => at(time, what)),
  ];
}

function describe({ wave, containers, image, back }: Batch): string {
  const [first = '', second] = containers;
  const names =
    containers.length === 1 ? first : containers.length === 2 ? `${first} and ${second ?? ''}` : `${first} and ${containers.length - 1} more`; // prettier-ignore
  if (back) return `${names} cannot take it, and gets ${image} back until it is tried again`;
  const who = wave === 0 ? (containers.length === 1 ? 'canary' : `${containers.length} canaries`) : `wave ${wave}, ${containers.length} ${containers.length === 1 ? 'container' : 'containers'}`; // prettier-ignore
  return `${who}: ${names}`;
}

function shortened(rows: string[][]): string[][] {
  if (rows.length <= mostSteps) return rows;
  const half = mostSteps / 2;
  return [...rows.slice(0, half), ['', '', `... ${rows.length - mostSteps} more steps`], ...rows.slice(-half)];
}

function endOf({ forecast: { earliest, typical, latest } }: Foreseen, now: Date): string {
  const after = (time: Date) => span((time.getTime() - now.getTime()) / 1000);
  if (typical.batches.length === 0 && typical.reason === 'RolledOut') return 'Nothing is left to move.';
  if (typical.haltTime !== undefined && typical.haltTime < now)
    return 'It has halted, and moves no further container. To foresee another image: --image IMAGE';
  if (typical.reason !== 'RolledOut')
    return `It ends with ${typical.reason} after ${after(typical.endTime)}, ${touched(typical)} containers touched.`;
  const bounds = [earliest, latest].map((it) => (it.reason === 'RolledOut' ? formatTime(it.endTime) : it.reason));
  return `Done at ${formatTime(typical.endTime)}, after ${after(typical.endTime)}; between ${bounds.join(' and ')}. At most ${typical.mostUnavailable} unavailable.`;
}

const touched = ({ batches }: Simulated) => new Set(batches.flatMap(({ containers }) => containers)).size;

function assumptions({ forecast: { durations }, lacking, fetchSeconds, subject }: Foreseen): string[] {
  const { least, typical, most, measured } = durations;
  const range = `${span(typical)} until Ready (${span(least)} to ${span(most)}), then minReadySeconds`;
  return [
    measured > 0
      ? `An upgrade takes ${range}: measured in ${measured} upgrades of this fleet.`
      : `An upgrade takes ${range}: assumed; --upgrade-time says it better.`,
    ...(lacking > 0 ? [`A node takes ${span(fetchSeconds)} to get the image: assumed; --fetch-time says it better.`] : []), // prettier-ignore
    ...(subject.madeUp ? ['The containers are made up: each runs an earlier version well.'] : []),
  ];
}

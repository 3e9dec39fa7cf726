import type { HistoryEntry, HostedContainer } from '../../api/hostedcontainer.ts';
import { parseReference } from '../../api/images.ts';
import { printable } from '../terminal.ts';

/** Versions that one container ran, newest first. */
export function historyRows({ status }: HostedContainer): string[][] {
  const rows = (status?.history ?? []).map(({ image, startTime, endTime, outcome, message }) => {
    const failed = status?.failedImages?.find((it) => it.image === image);
    const why = hasFailed({ outcome }) ? (failed ? `${failed.reason}: ${failed.message}` : '') : '';
    return [
      image,
      minute(startTime),
      endTime === undefined ? 'now' : minute(endTime),
      outcome ?? 'on trial',
      printable(message ?? why).slice(0, 100),
    ];
  });
  return [['IMAGE', 'FROM', 'TO', 'OUTCOME', ''], ...rows];
}

const minute = (time: string) => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')}Z`;

const columns = 60;

/** Who ran versions of an operating system, since when they tell of it, and which versions. */
export interface OsHistory {
  containers: readonly HostedContainer[];
  /** In milliseconds since 1970. */
  start: number;
  versions: string[];
}

/** The histories of all containers of an operating system; undefined when they tell of nothing. */
export function historyOf(containers: readonly HostedContainer[], os: string): OsHistory | undefined {
  const own = containers.filter(({ spec }) => parseReference(spec.image).os === os);
  const entries = own.flatMap(({ status }) => status?.history ?? []);
  if (entries.length === 0) return undefined;
  const start = entries.reduce((least, { startTime }) => Math.min(least, Date.parse(startTime)), Infinity);
  const versions = [...new Set(entries.map(({ image }) => image))].sort(
    new Intl.Collator('en', { numeric: true }).compare,
  );
  return { containers: own, start, versions };
}

/** The version did not stay. */
export const hasFailed = ({ outcome }: Pick<HistoryEntry, 'outcome'>): boolean =>
  outcome === 'Reverted' || outcome === 'Failed';

/**
 * Who ran what when: a line for each container, a letter for each version, over the time that their histories tell of. A version that
 * failed is a small letter, however short it ran.
 */
export function timeline(containers: readonly HostedContainer[], os: string, now: Date): string[] {
  const history = historyOf(containers, os);
  if (!history) return [];
  const { containers: own, start, versions } = history;
  const span = Math.max(now.getTime() - start, 1);
  const letter = (image: string) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[versions.indexOf(image) % 26] ?? '?';
  const names = own.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
  const width = Math.max(...names.map((name) => name.length));
  const lines = own.map(({ status }, i) => {
    const cells = Array.from({ length: columns }, (_, column) => {
      const [from, to] = [start + (span * column) / columns, start + (span * (column + 1)) / columns];
      const within = (status?.history ?? []).filter(
        ({ startTime, endTime }) =>
          Date.parse(startTime) < to && (endTime === undefined || Date.parse(endTime) >= from),
      );
      const failed = within.find(hasFailed);
      const [ran] = within;
      return failed ? letter(failed.image).toLowerCase() : ran ? letter(ran.image) : '.';
    });
    return `${(names[i] ?? '').padEnd(width)}  ${cells.join('')}`;
  });
  const from = minute(new Date(start).toISOString());
  return [
    `${' '.repeat(width)}  ${from}${'now'.padStart(columns - from.length)}`,
    ...lines,
    '',
    ...versions.map((image) => `${letter(image)}  ${image}`),
  ];
}

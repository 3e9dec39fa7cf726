import type { HistoryEntry, HostedContainer } from '../../../api/hostedcontainer.ts';
import { parseReference } from '../../../api/images.ts';
import { hasFailed, historyOf } from '../../views/history.ts';
import type { OsHistory } from '../../views/history.ts';
import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import type { History, HistoryRow } from '../views.ts';

/** How many moments are counted. */
const columns = 120;
/** Moments are the same for so long, so that nothing changes while nothing happens. */
const stepMilliseconds = 60_000;

/** Who of an operating system ran what when; of the first one when none is named. */
export function historyModel({ containers }: Scene, asked: string | undefined, now: Date): Model {
  const systems = [...new Set(containers.map(({ spec }) => parseReference(spec.image).os))].sort();
  const os = asked ?? systems[0] ?? '';
  const history = historyOf(containers, os);
  const end = Math.ceil(now.getTime() / stepMilliseconds) * stepMilliseconds;
  const start = Math.min(history?.start ?? end, end - stepMilliseconds);
  const piece: History = {
    os,
    systems,
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    versions: history?.versions ?? [],
    columns: history ? columnsOf(history, start, end) : [],
  };
  const indexes = new Map(piece.versions.map((version, index) => [version, index]));
  const rows = (history?.containers ?? []).map((it) => rowOf(it, indexes));
  return { history: piece, ...Object.fromEntries(rows.map((row) => [`h/${row.name}`, row])) };
}

function rowOf({ metadata, status }: HostedContainer, indexes: ReadonlyMap<string, number>): HistoryRow {
  return {
    name: `${metadata.namespace ?? ''}/${metadata.name}`,
    runs: (status?.history ?? []).map((it) => ({
      version: indexes.get(it.image) ?? 0,
      from: it.startTime,
      ...(it.endTime !== undefined && { to: it.endTime }),
      failed: hasFailed(it),
    })),
  };
}

/** Each run adds one where it begins and takes one away after its end: no moment is looked at for each container. */
function columnsOf({ containers, versions }: OsHistory, start: number, end: number): History['columns'] {
  const width = (end - start) / columns;
  const indexes = new Map(versions.map((version, index) => [version, index]));
  const changes = versions.map(() => new Array<number>(columns + 1).fill(0));
  const columnOf = (time: number) => Math.max(0, Math.min(columns - 1, Math.floor((time - start) / width)));
  const count = ({ image, startTime, endTime }: HistoryEntry) => {
    const change = changes[indexes.get(image) ?? -1];
    const [from, to] = [
      columnOf(Date.parse(startTime)),
      endTime === undefined ? columns : columnOf(Date.parse(endTime)),
    ];
    if (!change || from >= to) return;
    change[from] = (change[from] ?? 0) + 1;
    change[to] = (change[to] ?? 0) - 1;
  };
  for (const { status } of containers) for (const entry of status?.history ?? []) count(entry);
  const running = versions.map(() => 0);
  return Array.from({ length: columns }, (_, column) => {
    const counts = running.map((before, index) => before + (changes[index]?.[column] ?? 0));
    running.splice(0, running.length, ...counts);
    return { time: new Date(start + column * width).toISOString(), counts };
  });
}

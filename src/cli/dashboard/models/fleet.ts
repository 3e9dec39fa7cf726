import { findCondition, isTrue } from '../../../runtime/conditions.ts';
import { describeProgress, inLines } from '../../rollout/describe.ts';
import { summarizeFleet } from '../../fleet/summarize.ts';
import type { MonorootObject, Scene } from '../../scene/scene.ts';
import { explain } from '../../why/explain.ts';
import type { Model } from '../delta.ts';
import { states } from '../views.ts';
import type { OsCard, State, Trouble, Troubles } from '../views.ts';
import { containerRow } from './containers.ts';
import { refOf, shown } from './shown.ts';

/** Who runs what, and who needs a person first. */
export function fleetModel(scene: Scene, now: Date): Model {
  const rows = scene.containers.map(containerRow);
  const running = Map.groupBy(rows, ({ os }) => os);
  const lines = new Map(
    scene.distributions.map((it) => [it.metadata.name, inLines(describeProgress(it, now)).map(shown)]),
  );
  const cards = summarizeFleet(scene, now).map(({ os, default: chosen, versions, distributions }): OsCard => ({
    os,
    ...(chosen !== undefined && { default: chosen }),
    versions: versions.map(({ condemned, ...it }) => ({
      ...it,
      ...(condemned !== undefined && { condemned: shown(condemned) }),
    })),
    distributions: distributions.map(({ why: _why, ...it }) => ({ ...it, told: lines.get(it.name) ?? [] })),
    containers: running.get(os)?.length ?? 0,
  }));
  const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<State, number>;
  for (const { state } of rows) counts[state] += 1;
  return {
    ...Object.fromEntries(rows.map((row) => [`c/${row.namespace}/${row.name}`, row])),
    ...Object.fromEntries(cards.map((card) => [`os/${card.os}`, card])),
    troubles: troublesOf(scene, now, counts),
  };
}

const mostExamples = 5;

function troublesOf(scene: Scene, now: Date, containers: Record<State, number>): Troubles {
  const { distributions, osImages, nodeStores } = scene;
  const all: readonly MonorootObject[] = [...distributions, ...osImages, ...nodeStores, ...scene.containers];
  const stalled = all.filter(({ status }) => isTrue(status?.conditions, 'Stalled'));
  const reasonOf = ({ status }: MonorootObject) => findCondition(status?.conditions, 'Stalled');
  const grouped = Map.groupBy(stalled, (it) => `${it.kind} ${reasonOf(it)?.reason ?? ''}`);
  const groups = [...grouped.values()].flatMap((objects): Trouble[] => {
    const sorted = objects.toSorted((a, b) =>
      (reasonOf(a)?.lastTransitionTime ?? '') < (reasonOf(b)?.lastTransitionTime ?? '') ? -1 : 1,
    );
    const [first] = sorted;
    const said = first && reasonOf(first);
    if (!first || !said) return [];
    return [
      {
        reason: said.reason,
        kind: refOf(first).kind,
        count: objects.length,
        examples: sorted.slice(0, mostExamples).map(refOf),
        message: shown(said.message),
        since: said.lastTransitionTime,
        command: explain(first, scene, now).command,
      },
    ];
  });
  return { count: stalled.length, groups: groups.sort((a, b) => b.count - a.count), containers };
}

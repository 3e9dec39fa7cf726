import { nodesOf, printable, table } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import type { DistributionSummary, OsSummary, VersionSummary } from './summarize.ts';
import { truncate } from '../../runtime/text.ts';

const longestWhy = 120;

/** The fleet for a person: for each operating system its versions, then its distributions. */
export function renderFleet(fleet: readonly OsSummary[], screen: Screen): string[] {
  return fleet.flatMap(({ os, default: chosen, versions, distributions }, index) => [
    ...(index > 0 ? [''] : []),
    screen.paint('bold', chosen === undefined ? `${os}, no default version` : `${os}, default ${chosen}`),
    ...table([
      ['  VERSION', 'NODES', 'RUNNING', 'TARGET', 'FAILED', ''],
      ...versions.map((version) => versionRow(version, screen)),
    ]),
    ...(distributions.length === 0
      ? []
      : table([
          ['  DISTRIBUTION', 'IMAGE', 'NODES', 'UPDATED', 'REVERTED', 'STATE'],
          ...distributions.map((distribution) => distributionRow(distribution, screen)),
        ])),
  ]);
}

function versionRow(version: VersionSummary, { paint }: Screen): string[] {
  const { nodes, running, target, failed, condemned } = version;
  const remarks = [
    ...(version.default ? [paint('green', 'default')] : []),
    ...(version.unknown ? [paint('yellow', 'no OSImage')] : []),
    ...(condemned === undefined ? [] : [paint('red', `condemned: ${shortened(condemned)}`)]),
  ];
  const counts = [running, target, failed].map(String);
  return [`  ${version.version}`, nodesOf(nodes), ...counts, remarks.join(', ')];
}

function distributionRow({ name, image, nodes, containers, standing, why }: DistributionSummary, { paint }: Screen) {
  const colour = { Done: 'green', Waiting: 'yellow', Halted: 'red', Stalled: 'red' } as const;
  const state = paint(colour[standing], standing.toLowerCase());
  return [
    `  ${name}`,
    image,
    nodesOf(nodes),
    containers ? `${containers.updated}/${containers.following}` : '-',
    containers ? String(containers.reverted) : '-',
    why === undefined ? state : `${state}: ${shortened(why)}`,
  ];
}

const shortened = (text: string) => truncate(printable(text), longestWhy);

import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { annotations } from '../../api/names.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Scene } from '../scene/scene.ts';
import { describeProgress, inOneLine } from '../rollout/describe.ts';
import { printable } from '../terminal.ts';

interface Branch {
  text: string;
  below?: readonly Branch[];
}

/** Most names of equal siblings that are shown. */
const shownNames = 3;

/** What belongs to each operating system: distributions, versions, the nodes that have them, and containers, equal ones in one line. */
export function treeLines(scene: Scene, os: string | undefined, now: Date): string[] {
  const names = new Set([
    ...scene.osImages.map(({ spec }) => spec.os),
    ...scene.distributions.map(({ spec }) => parseReference(spec.image).os),
    ...scene.containers.map(({ spec }) => parseReference(spec.image).os),
  ]);
  return [...names].filter((name) => os === undefined || name === os).sort().flatMap((name) => [name, ...draw(branchesOf(name, scene, now), '')]); // prettier-ignore
}

function branchesOf(os: string, scene: Scene, now: Date): Branch[] {
  const distributions = scene.distributions
    .filter(({ spec }) => parseReference(spec.image).os === os)
    .map((it) => ({
      text: `imagedistribution/${it.metadata.name} (${it.spec.image}): ${shorten(inOneLine(describeProgress(it, now)))}`,
    }));
  const versions = scene.osImages
    .filter(({ spec }) => spec.os === os)
    .map((image): Branch => {
      const name = imageName(image.spec);
      const ready = findCondition(image.status?.conditions, 'Ready');
      const marks = [
        ...(image.status?.defaultVersion === true ? ['default'] : []),
        ...(image.metadata.annotations?.[annotations.condemned] === undefined ? [] : ['condemned']),
        ...(ready?.status === 'True' ? [] : [ready?.reason ?? 'not seen']),
      ];
      const nodes = scene.nodeStores
        .filter(({ status }) => status?.images?.some((it) => imageName(it) === name && it.state === 'Ready'))
        .map(({ metadata }) => metadata.name);
      const running = scene.containers.filter(({ status }) => status?.image === name);
      return {
        text: `osimage/${image.metadata.name}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}`,
        below: [
          {
            text:
              nodes.length === 0
                ? 'on no node'
                : `on ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}: ${some(nodes)}`,
          },
          ...groups(running),
        ],
      };
    });
  const nowhere = scene.containers.filter(
    ({ spec, status }) => parseReference(spec.image).os === os && status?.image === undefined,
  );
  return [...distributions, ...versions, ...groups(nowhere)];
}

/** Containers of one state are one branch. */
function groups(containers: readonly HostedContainer[]): Branch[] {
  const grouped = Map.groupBy(containers, ({ status }) => {
    const ready = findCondition(status?.conditions, 'Ready')?.reason ?? 'not seen';
    const upgraded = findCondition(status?.conditions, 'Upgraded');
    const target = status?.targetImage === undefined ? '' : `, going to ${status.targetImage}`;
    return `${ready}${upgraded === undefined || upgraded.status === 'True' ? '' : `, ${upgraded.reason}`}${target}`;
  });
  return [...grouped].map(([state, all]) => ({
    text: `${all.length} ${all.length === 1 ? 'container' : 'containers'} ${state}: ${some(all.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`))}`,
  }));
}

const some = (names: readonly string[]) =>
  names.length <= shownNames
    ? names.join(', ')
    : `${names.slice(0, shownNames).join(', ')} and ${names.length - shownNames} more`;

const shorten = (text: string) => {
  const line = printable(text);
  return line.length <= 120 ? line : `${line.slice(0, 119)}…`;
};

function draw(branches: readonly Branch[], indent: string): string[] {
  return branches.flatMap(({ text, below = [] }, i) => {
    const isLast = i === branches.length - 1;
    return [`${indent}${isLast ? '└─' : '├─'} ${text}`, ...draw(below, `${indent}${isLast ? '  ' : '│ '} `)];
  });
}

import { imageName } from '../../api/images.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Scene } from '../scene/scene.ts';
import { mebibytes, nodesOf } from '../terminal.ts';

const byName = new Intl.Collator('en', { numeric: true }).compare;

/** A table of all images: how large, where, who runs them, and what holds them up. */
export function imageRows(scene: Scene, isWide: boolean): string[][] {
  const images = [...scene.osImages].sort((a, b) => byName(imageName(a.spec), imageName(b.spec)));
  const head = ['IMAGE', 'SIZE', 'SHARED', 'NODES', 'CONTAINERS', 'STATE', ...(isWide ? ['DIGEST', 'ON'] : [])];
  return [head, ...images.map((image) => row(image, scene, isWide))];
}

function row(image: OSImage, { nodeStores, containers }: Scene, isWide: boolean): string[] {
  const name = imageName(image.spec);
  const holders = nodeStores.flatMap(({ metadata, status }) =>
    (status?.images ?? [])
      .filter((it) => imageName(it) === name && it.state === 'Ready')
      .map((entry) => ({ node: metadata.name, entry })),
  );
  const [first] = holders;
  const bytes = (value: number | undefined) => (value === undefined ? '-' : mebibytes(value));
  const desired = image.status?.nodes?.desired ?? 0;
  return [
    name,
    bytes(first?.entry.unpackedBytes),
    bytes(Math.max(...holders.map(({ entry }) => entry.sharedBytes ?? 0), 0) || undefined),
    nodesOf({ ready: holders.length, desired }),
    String(containers.filter(({ status }) => status?.image === name).length),
    stateOf(image),
    ...(isWide ? [image.status?.digest ?? '-', holders.map(({ node }) => node).join(',') || '-'] : []),
  ];
}

function stateOf({ metadata, status }: OSImage): string {
  const ready = findCondition(status?.conditions, 'Ready');
  return [
    ...(status?.defaultVersion === true ? ['default'] : []),
    ...(metadata.annotations?.[annotations.condemned] === undefined ? [] : ['condemned']),
    ready?.status === 'True' ? 'ready' : (ready?.reason ?? 'not seen'),
  ].join(', ');
}

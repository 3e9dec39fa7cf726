import { imageName } from '../../api/images.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { mebibytes, printable } from '../terminal.ts';

/** A table of the stores of all nodes: how full, how complete, and what holds one up. */
export function nodeRows(stores: readonly NodeStore[], isWide: boolean): string[][] {
  const head = ['NODE', 'IMAGES', 'USED', 'FREE', 'DISK', 'STATE', ...(isWide ? ['NOT READY'] : [])];
  const sorted = [...stores].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return [head, ...sorted.map((store) => row(store, isWide))];
}

function row({ metadata, spec, status }: NodeStore, isWide: boolean): string[] {
  const { usedBytes, freeBytes, capacityBytes } = status?.store ?? {};
  const bytes = (value: number | undefined) => (value === undefined ? '-' : mebibytes(value));
  const ready = findCondition(status?.conditions, 'Ready');
  const held = (status?.images ?? []).filter(({ state }) => state === 'Ready').length;
  return [
    metadata.name,
    `${held}/${status?.counts?.desired ?? spec.images.length}`,
    bytes(usedBytes),
    bytes(freeBytes),
    bytes(capacityBytes),
    ready?.reason ?? 'silent',
    ...(isWide
      ? [
          (status?.images ?? [])
            .filter(({ state }) => state !== 'Ready')
            .map(told)
            .join('; ') || '-',
        ]
      : []),
  ];
}

const told = (image: NonNullable<NonNullable<NodeStore['status']>['images']>[number]) =>
  `${imageName(image)} ${image.state}${image.reason === undefined ? '' : ` ${image.reason}`}${image.message === undefined ? '' : `: ${printable(image.message)}`}`;

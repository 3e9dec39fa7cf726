import { imageName } from '../../../api/images.ts';
import { annotations } from '../../../api/names.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { findCondition } from '../../../runtime/conditions.ts';
import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import { nodesText } from '../views.ts';
import type { ImageRow, NodeCount, Step } from '../views.ts';
import { byName, shown } from './shown.ts';

/** All images, and how far each is on its way. */
export function imagesModel(scene: Scene): Model {
  const running = new Map<string, number>();
  for (const { status } of scene.containers)
    if (status?.image !== undefined) running.set(status.image, (running.get(status.image) ?? 0) + 1);
  const holders = holdersOf(scene);
  return Object.fromEntries(
    scene.osImages
      .toSorted((a, b) => byName(imageName(a.spec), imageName(b.spec)))
      .map((image) => {
        const name = imageName(image.spec);
        return [`i/${image.metadata.name}`, imageRow(image, holders.get(name) ?? noHolders, running.get(name) ?? 0)];
      }),
  );
}

interface Holders {
  /** Nodes that have it and should. */
  ready: number;
  /** Nodes that have it from before. */
  kept: number;
  bytes?: number | undefined;
  shared: number;
}

function holdersOf({ nodeStores }: Scene): Map<string, Holders> {
  const holders = new Map<string, Holders>();
  for (const { spec, status } of nodeStores) {
    const wanted = new Set(spec.images.filter(({ retained }) => retained !== true).map(imageName));
    for (const it of status?.images ?? []) {
      if (it.state !== 'Ready') continue;
      const before = holders.get(imageName(it)) ?? noHolders;
      holders.set(imageName(it), {
        ready: before.ready + Number(wanted.has(imageName(it))),
        kept: before.kept + Number(!wanted.has(imageName(it))),
        bytes: before.bytes ?? it.unpackedBytes,
        shared: Math.max(before.shared, it.sharedBytes ?? 0),
      });
    }
  }
  return holders;
}

const noHolders: Holders = { ready: 0, kept: 0, shared: 0 };

const sizeOf = ({ bytes, shared: sharedBytes }: Holders) => (bytes === undefined ? {} : { bytes, sharedBytes });

function imageRow(image: OSImage, holders: Holders, running: number): ImageRow {
  const { metadata, spec, status } = image;
  const ready = findCondition(status?.conditions, 'Ready');
  const condemned = metadata.annotations?.[annotations.condemned];
  const desired = status?.nodes?.desired ?? 0;
  const nodes = { ready: desired === 0 ? holders.kept : Math.min(holders.ready, desired), desired };
  return {
    object: metadata.name,
    os: spec.os,
    version: spec.version,
    ...sizeOf(holders),
    nodes,
    running,
    default: status?.defaultVersion === true,
    ...(condemned !== undefined && { condemned: shown(condemned) }),
    ready: ready?.status === 'True',
    reason: ready?.reason ?? 'NotSeen',
    ...(status?.digest !== undefined && { digest: status.digest }),
    steps: stepsOf(image, nodes),
  };
}

/** Built, tested, published, stored: those that its spec asks for. */
function stepsOf({ spec, status, metadata }: OSImage, nodes: NodeCount): Step[] {
  const { build, verification, publication } = status ?? {};
  const condemned = metadata.annotations?.[annotations.condemned] !== undefined;
  return [
    ...(spec.source.build ? [stepOf('Built', build)] : []),
    ...(spec.verification ? [stepOf('Tested', verification, verification?.outcome === 'Failed')] : []),
    ...(spec.source.build ? [stepOf('Published', publication)] : []),
    storedStep(nodes),
    ...(status?.defaultVersion === true ? [{ name: 'Default', state: 'Done' } as const] : []),
    ...(condemned ? [{ name: 'Condemned', state: 'Failed' } as const] : []),
  ];
}

function storedStep(nodes: NodeCount): Step {
  const { ready, desired } = nodes;
  const state = ready > 0 && ready >= desired ? 'Done' : ready > 0 || desired > 0 ? 'Active' : 'Open';
  return { name: 'Stored', state, detail: nodesText(nodes) };
}

interface Ran {
  startTime?: string | undefined;
  completionTime?: string | undefined;
  reason?: string | undefined;
  message?: string | undefined;
}

function stepOf(name: string, ran: Ran | undefined, hasFailed = ran?.reason !== undefined): Step {
  if (!ran) return { name, state: 'Open' };
  const { startTime, completionTime, reason, message } = ran;
  const detail = [reason, message].filter((it) => it !== undefined).join(': ');
  return {
    name,
    state: hasFailed ? 'Failed' : completionTime === undefined ? 'Active' : 'Done',
    ...((completionTime ?? startTime) !== undefined && { time: completionTime ?? startTime ?? '' }),
    ...(startTime !== undefined &&
      completionTime !== undefined && { seconds: (Date.parse(completionTime) - Date.parse(startTime)) / 1000 }),
    ...(detail !== '' && { detail: shown(detail) }),
  };
}

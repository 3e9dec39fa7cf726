import { imageName } from '../../../api/images.ts';
import { annotations } from '../../../api/names.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { findCondition } from '../../../runtime/conditions.ts';
import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import type { ImageRow, Step } from '../views.ts';
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
  ready: number;
  bytes?: number | undefined;
  shared: number;
}

function holdersOf({ nodeStores }: Scene): Map<string, Holders> {
  const holders = new Map<string, Holders>();
  for (const { status } of nodeStores) {
    for (const it of status?.images ?? []) {
      if (it.state !== 'Ready') continue;
      const before = holders.get(imageName(it)) ?? noHolders;
      holders.set(imageName(it), {
        ready: before.ready + 1,
        bytes: before.bytes ?? it.unpackedBytes,
        shared: Math.max(before.shared, it.sharedBytes ?? 0),
      });
    }
  }
  return holders;
}

const noHolders: Holders = { ready: 0, shared: 0 };

const sizeOf = ({ bytes, shared: sharedBytes }: Holders) => (bytes === undefined ? {} : { bytes, sharedBytes });

function imageRow(image: OSImage, holders: Holders, running: number): ImageRow {
  const { metadata, spec, status } = image;
  const ready = findCondition(status?.conditions, 'Ready');
  const condemned = metadata.annotations?.[annotations.condemned];
  const desired = status?.nodes?.desired ?? 0;
  return {
    object: metadata.name,
    os: spec.os,
    version: spec.version,
    ...sizeOf(holders),
    nodes: { ready: holders.ready, desired },
    running,
    default: status?.defaultVersion === true,
    ...(condemned !== undefined && { condemned: shown(condemned) }),
    ready: ready?.status === 'True',
    reason: ready?.reason ?? 'NotSeen',
    ...(status?.digest !== undefined && { digest: status.digest }),
    steps: stepsOf(image, holders.ready),
  };
}

/** Built, tested, published, stored: those that its spec asks for. */
function stepsOf({ spec, status, metadata }: OSImage, ready: number): Step[] {
  const { build, verification, publication } = status ?? {};
  const condemned = metadata.annotations?.[annotations.condemned] !== undefined;
  return [
    ...(spec.source.build ? [stepOf('Built', build)] : []),
    ...(spec.verification ? [stepOf('Tested', verification, verification?.outcome === 'Failed')] : []),
    ...(spec.source.build ? [stepOf('Published', publication)] : []),
    storedStep(ready, status?.nodes?.desired ?? 0),
    ...(status?.defaultVersion === true ? [{ name: 'Default', state: 'Done' } as const] : []),
    ...(condemned ? [{ name: 'Condemned', state: 'Failed' } as const] : []),
  ];
}

function storedStep(ready: number, desired: number): Step {
  const state = ready > 0 && ready >= desired ? 'Done' : ready > 0 || desired > 0 ? 'Active' : 'Open';
  return { name: 'Stored', state, detail: `${ready} of ${desired} nodes` };
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

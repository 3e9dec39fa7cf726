import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { parseReference } from '../../../api/images.ts';
import type { MonorootObject, Scene } from '../../scene/scene.ts';
import { objectsOf } from '../../scene/scene.ts';
import { explain } from '../../why/explain.ts';
import type { Model } from '../delta.ts';
import type { ContainerPage, Link, ObjectPage, ObjectRef } from '../views.ts';
import { containerRow } from './containers.ts';
import { conditionRows, refOf, shown } from './shown.ts';

/** One object: why it is as it is, and what it says. Piece `object` is missing when there is no such object. */
export function objectModel(scene: Scene, ref: ObjectRef, now: Date): Model {
  const object = objectsOf(scene, ref.kind).find(
    ({ metadata }) => metadata.name === ref.name && metadata.namespace === ref.namespace,
  );
  if (!object) return {};
  return {
    object: { ref, why: whyOf(object, scene, now), conditions: conditionRows(object) } satisfies ObjectPage,
    ...(object.kind === 'HostedContainer' && { container: containerPage(object as HostedContainer) }),
  };
}

function whyOf(object: MonorootObject, scene: Scene, now: Date): ObjectPage['why'] {
  const { standing, asked, runs, chain, cause, next, command, unseen } = explain(object, scene, now);
  const linkOf = (link: (typeof chain)[number]): Link => ({
    object: link.object,
    ref: refOf({
      kind: link.kind,
      metadata: { name: link.name, ...(link.namespace !== undefined && { namespace: link.namespace }) },
    }),
    reason: link.reason,
    message: shown(link.message),
  });
  return { standing, asked, runs, chain: chain.map(linkOf), cause: linkOf(cause), next, command, unseen };
}

function containerPage(container: HostedContainer): ContainerPage {
  const { spec, status } = container;
  return {
    row: containerRow(container),
    follows: parseReference(spec.image).version === undefined,
    ...(status?.lastKnownGoodImage !== undefined && { lastKnownGood: status.lastKnownGoodImage }),
    ...(status?.digest !== undefined && { digest: status.digest }),
    ...(status?.podIP !== undefined && { podIP: status.podIP }),
    history: (status?.history ?? []).map(({ image, startTime, endTime, outcome, message }) => ({
      image,
      from: startTime,
      ...(endTime !== undefined && { to: endTime }),
      ...(outcome !== undefined && { outcome }),
      ...(message !== undefined && { message: shown(message) }),
    })),
    failed: (status?.failedImages ?? []).map(({ image, reason, message, time, attempts }) => ({
      image,
      reason: shown(reason),
      message: shown(message),
      time,
      attempts,
    })),
  };
}

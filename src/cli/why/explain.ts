import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { parseReference } from '../../api/images.ts';
import { isTrue } from '../../runtime/conditions.ts';
import type { MonorootObject, Scene } from '../scene/scene.ts';
import { labelOf } from '../scene/scene.ts';
import { duration } from '../terminal.ts';
import { containerAdvice, distributionAdvice, imageAdvice, nodeAdvice } from './advice.ts';
import type { Subject } from './advice.ts';
import { chainOf } from './chain.ts';
import type { Link } from './chain.ts';
import { askedOf, runsOf } from './facts.ts';

/** `Well`: as asked for, or as a person wants it. `Waiting`: something is at work on it. `Person`: only a person ends it. */
export type Standing = 'Well' | 'Waiting' | 'Person';

export interface Explanation {
  object: string;
  namespace?: string;
  standing: Standing;
  asked: string;
  /** What runs, or can be used, meanwhile. */
  runs: string;
  chain: Link[];
  /** The last link. */
  cause: Link;
  /** What happens next, and when. */
  next: string;
  /** What to type. */
  command: string;
  /** Kinds that the user may not list. */
  unseen: readonly string[];
}

/** Why an object is as it is: from what was asked for to the one cause, and what to do about it. */
export function explain(object: MonorootObject, scene: Scene, now: Date): Explanation {
  const chain = chainOf(object, scene);
  const cause = chain.at(-1);
  if (!cause) throw new Error('A chain has at least one link');
  const standing = standingOf(object, chain);
  const { namespace } = object.metadata;
  return {
    object: labelOf(object),
    ...(namespace !== undefined && { namespace }),
    standing,
    asked: askedOf(object, scene),
    runs: runsOf(object, scene),
    chain,
    cause,
    next: nextOf(standing, cause, now),
    command: commandOf(chain, object),
    unseen: scene.unseen,
  };
}

function standingOf({ metadata, status }: MonorootObject, chain: readonly Link[]): Standing {
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return 'Waiting';
  if (isTrue(status.conditions, 'Stalled')) return 'Person';
  if (isTrue(status.conditions, 'Reconciling')) return 'Waiting';
  // Condemned images and containers that were reverted lack nothing, and are not what was asked for.
  return chain.some(({ reason }) => ['Condemned', 'NotPermitted'].includes(reason)) ? 'Person' : 'Well';
}

function nextOf(standing: Standing, { nextTime, reason }: Link, now: Date): string {
  if (standing === 'Well')
    return reason === 'OutsideWindow' ? 'It goes on in the next window' : 'Nothing has to happen';
  const left = nextTime === undefined ? NaN : (Date.parse(nextTime) - now.getTime()) / 1000;
  const when = left > 0 ? ` at ${clock(nextTime ?? '')} (in ${duration(Math.ceil(left))})` : '';
  if (standing === 'Waiting') return when === '' ? 'It goes on by itself' : `It goes on${when}`;
  return when === ''
    ? 'Nothing, until a person acts'
    : `It is tried again${when}; it fails again until the cause is removed`;
}

const clock = (time: string) => `${new Date(time).toISOString().slice(11, 19)}Z`;

function commandOf(chain: readonly Link[], object: MonorootObject): string {
  const link = chain.findLast(({ evidence }) => evidence !== true) ?? chain.at(-1);
  if (!link) return '';
  const image = link.image ?? chain.find((it) => it.image !== undefined)?.image ?? '';
  const subject: Subject = {
    name: link.name,
    namespace: link.namespace ?? object.metadata.namespace ?? '',
    node: link.kind === 'NodeStore' ? link.name : nodeOf(object),
    image,
    os: parseReference(image).os,
    follows:
      object.kind === 'HostedContainer' && parseReference((object as HostedContainer).spec.image).version === undefined,
  };
  return adviceFor(link)(subject);
}

const nodeOf = (object: MonorootObject) =>
  object.kind === 'HostedContainer' ? ((object as HostedContainer).status?.nodeName ?? '') : object.metadata.name;

function adviceFor({ kind, reason }: Link): (subject: Subject) => string {
  const unknown = () => 'kubectl monoroot check';
  if (kind === 'HostedContainer') return lookUp(containerAdvice, reason) ?? unknown;
  if (kind === 'ImageDistribution') return lookUp(distributionAdvice, reason) ?? unknown;
  return kind === 'OSImage' ? imageAdvice(reason) : nodeAdvice(reason);
}

const lookUp = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

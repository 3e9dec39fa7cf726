import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { WatchOptions } from '../../runtime/controller.ts';
import { lastKnownGood } from '../hostedcontainer/last-known-good.ts';
import type { Bytes } from '../hostedcontainer/last-known-good.ts';
import { sameStatus } from '../../runtime/status.ts';
import type { ReadonlyStore } from '../../runtime/store.ts';

/** The warm way back: what a container keeps in the store of its node. */

/** What one container keeps in the store of one node. */
interface Pins {
  node: string;
  /** What it runs, whatever is distributed; stored by its name. */
  images: Bytes[];
  /** What it would go back to: the name may mean other bytes by now. */
  good?: Bytes | undefined;
  /** Only kept where it is; not fetched for being asked for, because who may create containers must not fill nodes. */
  software: string[];
}

/**
 * What runs, and what it would go back to, stay on the node of the container; the latter also on the node that ran it, until
 * the attempt on another one is over.
 */
export function pinsOf({ spec, status }: HostedContainer): Pins[] {
  const { nodeName, image, digest, lastKnownGoodNode } = status ?? {};
  const good = lastKnownGood(status ?? {});
  const software = (spec.software ?? []).flatMap(({ osImage }) => osImage ?? []);
  const here =
    nodeName === undefined
      ? []
      : [{ node: nodeName, images: image === undefined ? [] : [{ image, digest }], good, software }];
  const isElsewhere = lastKnownGoodNode !== undefined && lastKnownGoodNode !== nodeName;
  return [...here, ...(isElsewhere ? [{ node: lastKnownGoodNode, images: [], good, software }] : [])];
}

/** Index of HostedContainers by the pins that they hold. */
const byPin = 'pin';

const keysOfPins = (container: HostedContainer): Set<string> =>
  new Set(
    pinsOf(container).flatMap(({ node, images, good, software }) => {
      // One that runs what it would go back to holds one pin, not two.
      const bytes = [...images, ...(good ? [good] : [])].map(({ image, digest = '' }) => `${image} ${digest}`);
      return [...bytes, ...software].map((image) => `${node} ${image}`);
    }),
  );

/**
 * Asks for a run only when a node has to keep more or less than before: of the containers of a node the first that comes to an
 * image, and the last that leaves it. A rollout changes the pins of thousands, and each run goes through the whole fleet.
 */
export function watchPins(store: ReadonlyStore<HostedContainer>, key: string): WatchOptions<HostedContainer> {
  store.addIndex(byPin, keysOfPins);
  // The store has the change already: a pin that came has one holder now, one that went has none.
  const isNews = (pin: string) => store.byIndex(byPin, pin).length <= 1;
  return {
    keys: (container) => ([...keysOfPins(container)].some(isNews) ? [key] : []),
    predicate: (old, current) => !sameStatus(pinsOf(old), pinsOf(current)),
  };
}

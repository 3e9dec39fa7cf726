import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { WatchOptions } from '../../runtime/controller.ts';
import { sameStatus } from '../../runtime/status.ts';
import type { ReadonlyStore } from '../../runtime/store.ts';

/** The warm way back: what a container keeps in the store of its node. */

/**
 * `<os>:<version>` of what must stay there whatever is distributed: what runs, and what it would go back to. `software` is only
 * kept where it is; it is not fetched for being asked for, because who may create containers must not fill nodes.
 */
export function pinsOf({
  spec,
  status,
}: HostedContainer): { node: string; images: string[]; software: string[] } | undefined {
  if (status?.nodeName === undefined) return undefined;
  const images = [status.image, status.lastKnownGoodImage].filter((image) => image !== undefined);
  const software = (spec.software ?? []).flatMap(({ osImage }) => osImage ?? []);
  return { node: status.nodeName, images, software };
}

/** Index of HostedContainers by the pins that they hold. */
const byPin = 'pin';

const keysOfPins = (container: HostedContainer): Set<string> => {
  const pins = pinsOf(container);
  return new Set([...(pins?.images ?? []), ...(pins?.software ?? [])].map((image) => `${pins?.node ?? ''} ${image}`));
};

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
    when: (old, current) => !sameStatus(pinsOf(old), pinsOf(current)),
  };
}

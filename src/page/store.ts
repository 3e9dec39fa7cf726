import { signal } from '@preact/signals';
import { viewAt } from '../cli/dashboard/routes.ts';
import type { Delta, Model } from '../cli/dashboard/delta.ts';
import type {
  About,
  ContainerPage,
  Events,
  History,
  ImageRow,
  NodeRow,
  ObjectPage,
  PodPage,
  RolloutPage,
  Troubles,
} from '../cli/dashboard/views.ts';
import { applied } from './apply.ts';

/** What the page knows: an address, what is shown there, and how fresh that is. */

/** Path and query of the address. */
export const address = signal(location.pathname + location.search);
/** Everything that the view shows; undefined until the first answer. */
export const model = signal<Model | undefined>(undefined);
/** Since when the server of the page does not answer; undefined while it does. */
export const lostSince = signal<Date | undefined>(undefined);
/** It moves once a second, for what tells how long ago something was. */
export const clock = signal(Date.now());

setInterval(() => (clock.value = Date.now()), 1000);

let source: EventSource | undefined;

/** Shows another view, as a link does. */
export function go(to: string): void {
  history.pushState(null, '', to);
  open();
  scrollTo(0, 0);
}

/** Changes what the address says about the view that is shown already, such as a filter. */
export function note(name: string, value: string): void {
  const query = new URLSearchParams(location.search);
  if (value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  history.replaceState(null, '', location.pathname + (text === '' ? '' : `?${text}`));
  address.value = location.pathname + location.search;
}

/** A filter as the address has it. */
export const noted = (name: string): string => new URLSearchParams(address.value.split('?')[1] ?? '').get(name) ?? '';

/** Begins the stream of the view at the address. */
export function open(): void {
  source?.close();
  address.value = location.pathname + location.search;
  model.value = undefined;
  if (!viewAt(location.pathname, new URLSearchParams(location.search))) return;
  const path = location.pathname === '/' ? '' : location.pathname;
  source = new EventSource(`/api/stream${path}${location.search}`);
  let isFirst = true;
  source.onopen = () => {
    // It begins from the beginning each time.
    isFirst = true;
    lostSince.value = undefined;
  };
  source.onerror = () => (lostSince.value ??= new Date());
  source.onmessage = ({ data }: MessageEvent<string>) => {
    const delta = JSON.parse(data) as Delta;
    model.value = isFirst ? delta.set : applied(model.value ?? {}, delta);
    isFirst = false;
  };
}

addEventListener('popstate', open);

/** Links of the page change the view and load nothing. */
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.origin !== location.origin || link.target !== '') return;
  event.preventDefault();
  // A place on the page, such as its content.
  if (link.hash !== '') document.querySelector<HTMLElement>(link.hash)?.focus();
  else go(link.pathname + link.search);
});

/** The pieces that views have once. */
interface Pieces {
  about: About;
  troubles: Troubles;
  object: ObjectPage;
  container: ContainerPage;
  pod: PodPage;
  events: Events;
  rollout: RolloutPage;
  image: ImageRow;
  node: NodeRow;
  history: History;
}

/** A piece of the model; undefined when there is none. */
export const piece = <K extends keyof Pieces>(key: K): Pieces[K] | undefined =>
  model.value?.[key] as Pieces[K] | undefined;
export const about = (): About | undefined => piece('about');

/** The pieces whose keys begin so, in the order of the server. */
export const pieces = <T>(prefix: string): T[] =>
  Object.entries(model.value ?? {}).flatMap(([key, value]) => (key.startsWith(prefix) ? [value as T] : []));

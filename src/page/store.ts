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
import { createParser } from './events.ts';
import { authorization, takeKey } from './key.ts';

/** What the page knows: an address, what is shown there, and how fresh that is. */

/** Path and query of the address. */
export const address = signal(location.pathname + location.search);
/** Everything that the view shows; undefined until the first answer. */
export const model = signal<Model | undefined>(undefined);
/** Since when the server of the page does not answer; undefined while it does. */
export const lostSince = signal<Date | undefined>(undefined);
/** The page shows no key, or one that is no more. */
export const lacksKey = signal(false);
/** It moves once a second, for what tells how long ago something was. */
export const clock = signal(Date.now());

setInterval(() => (clock.value = Date.now()), 1000);

let stream: AbortController | undefined;

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
  stream?.abort();
  stream = new AbortController();
  address.value = location.pathname + location.search;
  model.value = undefined;
  if (!viewAt(location.pathname, new URLSearchParams(location.search))) return;
  const path = location.pathname === '/' ? '' : location.pathname;
  void follow(`/api/stream${path}${location.search}`, stream.signal);
}

/** Between two tries. */
const pauseMilliseconds = 2000;
/** A server that lives says something far more often. */
const silenceMilliseconds = 30_000;

/** Reads the stream, and begins again when it ends, until the view is left. Without its key a page asks once. */
async function follow(url: string, left: AbortSignal): Promise<void> {
  const isLeft = () => left.aborted;
  while (!isLeft()) {
    const status = await read(url, left).catch(() => 0);
    if (isLeft()) return;
    lacksKey.value = status === 401;
    if (lacksKey.value) return;
    lostSince.value ??= new Date();
    await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds));
  }
}

/** Gives the status of the answer when the stream is over. It begins with the whole view each time. */
async function read(url: string, left: AbortSignal): Promise<number> {
  const silent = new AbortController();
  const signal = AbortSignal.any([left, silent.signal]);
  let timer = setTimeout(() => silent.abort(), silenceMilliseconds);
  try {
    const answer = await fetch(url, { headers: authorization(), cache: 'no-store', signal });
    const pieces = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!answer.ok || !pieces) return answer.status;
    lostSince.value = undefined;
    const parse = createParser();
    let isFirst = true;
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), silenceMilliseconds);
      for (const data of parse(piece.value)) {
        const delta = JSON.parse(data) as Delta;
        if (left.aborted) break;
        model.value = isFirst ? delta.set : applied(model.value ?? {}, delta);
        isFirst = false;
      }
    }
    return answer.status;
  } finally {
    clearTimeout(timer);
  }
}

/** Takes the key that the address may have, and begins. */
export const start = () =>
  takeKey()
    .catch(() => undefined)
    .then(open);

addEventListener('popstate', () => void start());

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

import { render } from 'preact';
import { viewAt } from '../cli/dashboard/routes.ts';
import type { View } from '../cli/dashboard/routes.ts';
import type { KindHealth } from '../cli/dashboard/views.ts';
import { Fleet } from './fleet.tsx';
import { History } from './history.tsx';
import { Images } from './images.tsx';
import { Nodes } from './nodes.tsx';
import { ContainerView, ImageView, NodeView } from './object.tsx';
import { Rollout, Rollouts } from './rollout.tsx';
import { about, address, lacksKey, lostSince, model, start } from './store.ts';
import { Empty, Since, local } from './ui.tsx';

/** The frame of all views. */

const tabs: readonly { path: string; word: string; of: readonly View['name'][] }[] = [
  { path: '/', word: 'Fleet', of: ['fleet', 'container'] },
  { path: '/rollouts', word: 'Rollouts', of: ['rollouts', 'rollout'] },
  { path: '/images', word: 'Images', of: ['images', 'image'] },
  { path: '/nodes', word: 'Nodes', of: ['nodes', 'node'] },
  { path: '/history', word: 'History', of: ['history'] },
];

const views: Record<View['name'], () => preact.JSX.Element | null> = {
  fleet: Fleet,
  rollouts: Rollouts,
  rollout: Rollout,
  images: Images,
  image: ImageView,
  nodes: Nodes,
  node: NodeView,
  container: ContainerView,
  history: History,
};

function Page() {
  const [path = '/', query = ''] = address.value.split('?', 2);
  const view = viewAt(path, new URLSearchParams(query));
  document.title = `${tabs.find(({ of }) => view && of.includes(view.name))?.word ?? 'Not here'} · Monoroot`;
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <a class="brand" href="/">
          <img src="/icon.svg" alt="" width="24" height="24" /> Monoroot
        </a>
        <nav aria-label="Views">
          {tabs.map(({ path: to, word, of }) => (
            <a key={to} href={to} aria-current={view && of.includes(view.name) ? 'page' : undefined}>
              {word}
            </a>
          ))}
        </nav>
        <Live />
      </header>
      <Trouble />
      <main id="main" tabIndex={-1}>
        <Content view={view} />
      </main>
      <footer>
        {about()?.cluster}
        {about()?.namespace !== undefined && `, namespace ${about()?.namespace ?? ''}`} · Monoroot {about()?.version} ·
        this page only shows
      </footer>
    </>
  );
}

function Content({ view }: { view: View | undefined }) {
  if (!view)
    return (
      <Empty title="There is nothing here">
        <a href="/">To the fleet</a>
      </Empty>
    );
  if (lacksKey.value) return null;
  const health = about()?.health ?? [];
  const isReading = !model.value || health.some(({ state }) => state === 'Reading');
  const isEmpty = Object.keys(model.value ?? {}).length <= 2;
  if (!model.value || (isReading && isEmpty)) return <Skeleton />;
  if (health.length > 0 && health.every(({ state }) => state === 'Forbidden')) return null;
  const Shown = views[view.name];
  return <Shown key={address.value.split('?')[0]} />;
}

const Skeleton = () => (
  <div class="skeleton" role="status" aria-label="Reading">
    <span />
    <span />
    <span />
  </div>
);

/** Whether what is shown is as of now. */
function Live() {
  const health = about()?.health ?? [];
  const isLive =
    lostSince.value === undefined &&
    health.length > 0 &&
    health.every(({ state }) => state === 'Live' || state === 'Forbidden');
  return (
    <span class={`live ${isLive ? 'good' : 'warn'}`} role="status">
      <span class="sign" aria-hidden="true">
        {isLive ? '●' : '○'}
      </span>
      {isLive ? 'Live' : health.length === 0 ? 'Reading' : 'Not live'}
    </span>
  );
}

/** What is wrong with what the page reads, and since when. */
function Trouble() {
  if (lacksKey.value) {
    return (
      <p class="alarm bad" role="alert">
        <b>This page has no key</b>, or that of a command which has ended. Open the address that kubectl monoroot
        dashboard printed: it has the key in it.
      </p>
    );
  }
  const lost = lostSince.value;
  if (lost) {
    return (
      <p class="alarm bad" role="alert">
        <b>The server of this page does not answer</b> since {local(lost.toISOString())} (
        <Since time={lost.toISOString()} />
        ). What you see is as of then; it goes on by itself. If you ended kubectl monoroot dashboard, start it again.
      </p>
    );
  }
  const health = about()?.health ?? [];
  const away = health.filter(({ state }) => state === 'Away');
  const forbidden = health.filter(({ state }) => state === 'Forbidden');
  return (
    <>
      {away.length > 0 && <Away of={away} />}
      {forbidden.length > 0 && (
        <p class="alarm warn" role="status">
          <b>You may not list {forbidden.map(({ kind }) => kind).join(', ')}</b>: what they would tell is missing.{' '}
          {forbidden[0]?.message}
          {about()?.namespace === undefined &&
            forbidden.some(({ kind }) => kind === 'hostedcontainers') &&
            ' Containers of one namespace: kubectl monoroot dashboard -n NAME'}
        </p>
      )}
    </>
  );
}

function Away({ of }: { of: readonly KindHealth[] }) {
  const first = of.map(({ since }) => since ?? '').sort()[0] ?? '';
  return (
    <p class="alarm bad" role="alert">
      <b>The API server does not answer</b> since {local(first)} (<Since time={first} />
      ): {of[0]?.message}. What you see is as of then; containers go on running.
    </p>
  );
}

const place = document.getElementById('page');
if (place) render(<Page />, place);
void start();

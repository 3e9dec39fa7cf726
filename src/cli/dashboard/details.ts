import { events, pods } from '../../kube/resources.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Event } from '../../kube/types.ts';
import type { KubeObject } from '../../runtime/object.ts';
import type { Model } from './delta.ts';
import type { Followed, Live } from './live.ts';
import { shown } from './models/shown.ts';
import type { View } from './routes.ts';
import type { EventRow, Events, PodPage } from './views.ts';

/** What is followed only while somebody looks at one container: its Pod, and what Kubernetes says about both, which have one name. */
export interface Details {
  model: () => Model;
  run: (signal: AbortSignal) => Promise<void>;
}

const mostEvents = 50;

/** Nothing, for other views. */
export function detailsOf(view: View, live: Live, changed: () => void): Details {
  if (view.name !== 'container') return { model: () => ({}), run: () => Promise.resolve() };
  const { namespace, object } = view;
  const pod = live.follow(pods, { namespace, fieldSelector: `metadata.name=${object}` }, changed);
  const said = live.follow(events, { namespace, fieldSelector: `regarding.name=${object}` }, changed);
  return {
    model: () => ({ pod: podPage(pod), events: eventsPage(said) }),
    run: async (signal) => {
      await Promise.all([pod.reflector.run(signal), said.reflector.run(signal)]);
    },
  };
}

function healthOf<T extends KubeObject>(followed: Followed<T>): Pick<Events, 'state' | 'message'> {
  const { state, message } = followed.health();
  return { state, ...(message !== undefined && { message: shown(message) }) };
}

function podPage(followed: Followed<Pod>): PodPage {
  const [pod] = followed.reflector.store.list();
  const statuses = pod?.status?.containerStatuses ?? [];
  const ready = pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return {
    ...healthOf(followed),
    ...(pod?.status?.phase !== undefined && { phase: pod.status.phase }),
    ...(pod?.spec.nodeName !== undefined && { node: pod.spec.nodeName }),
    ...(ready !== undefined && { ready }),
    containers: statuses.map((it) => ({
      name: it.name,
      state: shown(
        it.state?.waiting?.reason ?? it.state?.terminated?.reason ?? (it.state?.running ? 'Running' : 'Unknown'),
      ),
      restarts: it.restartCount,
    })),
  };
}

function eventsPage(followed: Followed<Event>): Events {
  const rows = followed.reflector.store
    .list()
    .map(eventRow)
    .sort((a, b) => (a.time < b.time ? 1 : -1))
    .slice(0, mostEvents);
  return { ...healthOf(followed), rows };
}

function eventRow(event: Event): EventRow {
  const { series, deprecatedCount } = event;
  return {
    type: shown(event.type ?? 'Normal'),
    // Whoever may write events says what they like.
    reason: shown(event.reason ?? ''),
    note: shown(event.note ?? ''),
    time: timeOf(event),
    count: series?.count ?? deprecatedCount ?? 1,
    about: shown(event.regarding?.kind ?? ''),
  };
}

/** Old and new ways of telling when; the API server leaves out, or gives as null, what does not hold. */
function timeOf({ series, eventTime, deprecatedLastTimestamp, metadata }: Event): string {
  const times: (string | null | undefined)[] = [
    series?.lastObservedTime,
    deprecatedLastTimestamp,
    eventTime,
    metadata.creationTimestamp,
  ];
  return times.find((it) => typeof it === 'string') ?? '';
}

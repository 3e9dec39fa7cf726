import type { EventSink } from '../runtime/events.ts';
import type { Client } from './client.ts';
import { microTime } from './leases.ts';
import { events } from './resources.ts';

/** Stores events in events.k8s.io/v1, where `kubectl describe` and `kubectl events` find them. */
export function eventSink(client: Client): EventSink {
  return {
    create: async ({ name, namespace, eventTime, ...event }) => {
      await client.create(events, { metadata: { name, namespace }, eventTime: microTime(eventTime), ...event });
    },
  };
}

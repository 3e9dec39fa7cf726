import type { Kubectl } from './kubectl.ts';
import { waitFor } from './wait.ts';
import type { Screen } from '../terminal.ts';

/** How often the Service is changed while it is not reached. */
const nudgeSeconds = 5;

/**
 * Waits until the API server's proxy reaches the Service behind `path` (`/api/v1/namespaces/…/services/…/proxy/…`), whatever it
 * answers. A Pod that is Ready is behind its Service only a moment later. After a restart of the API server Kubernetes backs off
 * for minutes before it writes the EndpointSlice of a Service that it was about to write then; a change of the Service makes it
 * look at once. Throws after two minutes.
 */
export async function waitForServiceProxy(kubectl: Kubectl, path: string, screen?: Screen): Promise<void> {
  const [, namespace = '', name = ''] = /\/namespaces\/([^/]+)\/services\/([^/:]+)/.exec(path) ?? [];
  let nudged = Date.now();
  await waitFor(
    `The API server reaches ${path}`,
    async () => {
      const { stderr } = await kubectl.try(['get', '--raw', path]);
      if (!stderr.includes('(ServiceUnavailable)')) return { done: undefined };
      if (Date.now() - nudged > nudgeSeconds * 1000) {
        nudged = Date.now();
        await kubectl.try(['-n', namespace, 'annotate', '--overwrite', 'service', name, `looked-at=${nudged}`]);
      }
      return { waiting: stderr.trim() };
    },
    { seconds: 120, interval: 0.2, ...(screen && { screen }) },
  );
}

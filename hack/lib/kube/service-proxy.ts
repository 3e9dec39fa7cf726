import type { Kubectl } from './kubectl.ts';
import { waitFor } from './wait.ts';
import type { Screen } from '../terminal.ts';

/**
 * Waits until the API server's proxy reaches the Service behind `path` (`/api/v1/namespaces/…/services/…/proxy/…`), whatever it
 * answers. A Pod that is Ready is behind its Service only a moment later. Throws after a minute.
 */
export const waitForServiceProxy = (kubectl: Kubectl, path: string, screen?: Screen): Promise<void> =>
  waitFor(
    `The API server reaches ${path}`,
    async () => {
      const { stderr } = await kubectl.try(['get', '--raw', path]);
      return stderr.includes('(ServiceUnavailable)') ? { waiting: stderr.trim() } : { done: undefined };
    },
    { seconds: 60, interval: 0.2, ...(screen && { screen }) },
  );

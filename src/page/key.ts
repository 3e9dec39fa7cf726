import { keyPath } from '../cli/dashboard/routes.ts';

/** The key of this page. It is kept by the browser for this very address and port, which cookies are not, and is sent with each request for data. */

const kept = 'monoroot-key';

/** Takes the key, or the ticket for it, out of the address. */
export async function takeKey(): Promise<void> {
  const said = new URLSearchParams(location.hash.slice(1));
  const [key, ticket] = [said.get('key'), said.get('ticket')];
  if (key === null && ticket === null) return;
  history.replaceState(null, '', location.pathname + location.search);
  if (key !== null) localStorage.setItem(kept, key);
  if (ticket === null) return;
  const answer = await fetch(keyPath, { headers: { authorization: `Bearer ${ticket}` } });
  if (answer.ok) localStorage.setItem(kept, await answer.text());
}

export function authorization(): Record<string, string> {
  const key = localStorage.getItem(kept);
  return key === null ? {} : { authorization: `Bearer ${key}` };
}
